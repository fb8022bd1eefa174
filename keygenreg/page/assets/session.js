/** Who is signed in. The token is kept for this tab only, and revoked when its user signs out. */

import { Api, ApiError, resource } from "./api.js";

const KEPT = "keygenreg.session";
const HOURS = 12;
/** Milliseconds in which a registry has to hear of the end of a session: who signs out does not stay signed in. */
export const PATIENCE = 5000;

let current = null;
let listener = () => {};

/** The session of this tab, or null: `{ api, bearer, role, account, environment, mode }`. */
export function session() {
  return current;
}

/** Tells `changed(message)` whenever a session begins or ends; `message` says why, if that needs saying. */
export function onChange(changed) {
  listener = changed;
}

/** Where customers reach the registry: scheme, host and port. */
export function registryUrl() {
  return document.querySelector("meta[name=registry]").content;
}

/** What is known before anybody signs in: whether paths name an account, and the registry's own time. */
export async function registry() {
  const answer = await new Api().request("GET", "/v1/ping");
  const date = new Date(answer.headers.get("Date") ?? Date.now());
  return { mode: answer.headers.get("Keygen-Mode") ?? "singleplayer", now: date };
}

/** Take up the session that this tab had before it was loaded again. */
export async function resume() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept) await begin(kept);
  return current;
}

/** Sign in with an address and a password: a token is made, which ends by itself after some hours. */
export async function signIn({ account, email, password }) {
  const words = new TextEncoder().encode(`${email}:${password}`);
  const authorization = `Basic ${btoa(String.fromCharCode(...words))}`;
  const made = await makeToken(new Api({ account }), { authorization });
  await begin({ account, token: made.attributes.token, tokenId: made.id });
  listener();
}

/**
 * Sign in with a token. What is kept is another one of the same bearer, so that signing out does not end a token that
 * somebody else works with; bearers that may not make tokens for themselves (products) stay with the one they have.
 */
export async function signInWithToken({ account, token }) {
  const api = new Api({ account });
  const authorization = `Bearer ${token}`;
  await api.get("/me", { authorization });
  let kept = { account, token, tokenId: null };
  try {
    const made = await makeToken(api, { authorization });
    kept = { account, token: made.attributes.token, tokenId: made.id };
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 403)) throw error;
  }
  await begin(kept);
  listener();
}

async function makeToken(api, options) {
  const { now } = await registry();
  const expiry = new Date(now.getTime() + HOURS * 3600000).toISOString();
  return api.post("/tokens", resource("tokens", { name: "Web page", expiry }), options);
}

async function begin(kept) {
  // An upload that began in an earlier session may learn late that this is over: that says nothing of the present one.
  const ended = () => (!current || current.token === kept.token) && end("Your session has ended. Sign in again.");
  const api = new Api({ ...kept, ended });
  const { mode } = await registry();
  let bearer;
  try {
    bearer = await api.get("/me");
  } catch (error) {
    if (error.ended) sessionStorage.removeItem(KEPT);
    throw error;
  }
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
  const role = bearer.type === "users" ? bearer.attributes.role : bearer.type.replace(/s$/, "");
  current = { ...kept, api, bearer, role, mode };
}

/** Work in another environment of the account, or in none. */
export async function enter(environment) {
  const { account, token, tokenId } = current;
  await begin({ account, token, tokenId, environment });
  listener();
}

/** Sign out: the token is worthless from now on, unless it was given to the page from elsewhere. */
export async function signOut() {
  const { api, tokenId } = current;
  let words = "You have signed out. The token that you pasted is still good.";
  api.ended = () => {};
  try {
    if (tokenId) {
      await api.delete(`/tokens/${tokenId}`, undefined, { signal: AbortSignal.timeout(PATIENCE) });
      words = "You have signed out.";
    }
  } catch {
    words = `You have signed out here, but the registry could not be told; the session ends within ${HOURS} hours.`;
  }
  end(words);
}

function end(message) {
  if (current === null) return;
  current = null;
  sessionStorage.removeItem(KEPT);
  listener(message);
}
