/** Signing in: with an address and a password, or with a token. */

import { ApiError, Unreachable } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { form } from "../parts/form.js";
import { registry, registryUrl, signIn as withPassword, signInWithToken } from "../session.js";

/** Where the API has no better word: what its codes mean to somebody who signs in. */
const WORDS = {
  EMAIL_REQUIRED: ["email", "Enter an e-mail address."],
  EMAIL_INVALID: ["email", "Nobody is known by this address."],
  PASSWORD_NOT_SUPPORTED: ["email", "This user has no password; sign in with a token."],
  PASSWORD_REQUIRED: ["password", "Enter your password."],
  PASSWORD_INVALID: ["password", "This is not the password."],
  CREDENTIALS_INVALID: ["password", "Address and password do not belong together."],
  TOKEN_INVALID: ["token", "The registry does not know this token."],
  TOKEN_EXPIRED: ["token", "This token has expired."],
  TOKEN_FORMAT_INVALID: ["token",
    "This is the id of a token. What is needed is its secret, which was shown when it was made."],
  NOT_FOUND: ["account", "There is no such account here."],
};

export function signIn() {
  const place = h("div");
  const box = h("div", { class: "box" }, h("div", { class: "mark", "aria-hidden": "true" }, icon("box")),
    h("h1", {}, "Sign in"), h("p", { class: "lead" }, new URL(registryUrl()).host), place);
  draw(place);
  return h("main", { id: "main", class: "alone" }, box);
}

async function draw(place) {
  let mode;
  try {
    ({ mode } = await registry());
  } catch (error) {
    fill(place, h("p", { class: "summary" }, error.message),
      h("button", { type: "button", on: { click: () => draw(place) } }, "Try again"));
    return;
  }
  const account = mode === "multiplayer"
    ? [{ name: "account", label: "Account", required: true, hint: "Its short name, as in the addresses of its packages.",
      pointer: "account", code: true, autocomplete: "organization" }] : [];
  show(passwordForm);

  function show(make) {
    fill(place, make());
    place.querySelector("input").focus();
  }

  function passwordForm() {
    return form({
      fields: [...account,
        { name: "email", label: "E-mail", kind: "email", required: true, autocomplete: "username", pointer: "email" },
        { name: "password", label: "Password", kind: "password", required: true, autocomplete: "current-password",
          pointer: "password" }],
      button: "Sign in",
      submit: (values) => translated(withPassword({ ...values, account: values.account?.trim() ?? null,
        email: values.email.trim() })),
      extra: [h("button", { type: "button", class: "quiet", on: { click: () => show(tokenForm) } }, "Use a token instead")],
    });
  }

  function tokenForm() {
    return form({
      fields: [...account,
        { name: "token", label: "Token", kind: "password", required: true, code: true, pointer: "token",
          hint: "Of a user or of a product, such as admin-… or prod-…" }],
      button: "Sign in",
      submit: (values) => translated(signInWithToken({ account: values.account?.trim() ?? null, token: values.token.trim() })),
      extra: [h("button", { type: "button", class: "quiet", on: { click: () => show(passwordForm) } }, "Use a password instead")],
    });
  }
}

/** The work of signing in, its errors beside the fields that they are about. */
async function translated(work) {
  try {
    await work;
  } catch (error) {
    if (error instanceof Unreachable || !(error instanceof ApiError) || !(error.code in WORDS)) throw error;
    const [field, text] = WORDS[error.code];
    throw Object.assign(new Error(text), { field });
  }
}
