/** Tokens as tables show them, and making one: its secret is shown once. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { day, fromInput, moment } from "../format.js";
import { askForm, confirm, showSecret } from "../parts/dialogs.js";
import { orNull } from "../parts/form.js";
import { tell } from "../parts/notices.js";
import { badge, button, label } from "../parts/pages.js";
import { session } from "../session.js";

const HOLDERS = { products: "/products/", licenses: "/licenses/", users: "/users/" };

export function tokenColumns(page, { bearer = false } = {}) {
  const columns = [
    { label: "Name", kind: "main", cell: nameOf },
    { label: "Kind", cell: (each) => each.attributes.kind.replaceAll("-", " ") },
    { label: "Ends", cell: (each) => ends(each.attributes.expiry) },
    { label: "Created", cell: (each) => day(each.attributes.created) },
    { label: "", kind: "end", cell: (each) => actions(page, each) },
  ];
  if (bearer) columns.splice(2, 0, { label: "Of", cell: holder });
  return columns;
}

function nameOf(token) {
  const own = token.id === session().tokenId;
  return [token.attributes.name ?? h("span", { class: "faint" }, "without a name"), own && " ", own && label("this session")];
}

function ends(expiry) {
  if (!expiry) return "never";
  return new Date(expiry) < new Date() ? badge("EXPIRED") : h("span", { title: moment(expiry) }, day(expiry));
}

function holder(token) {
  const { type, id } = token.relationships.bearer.data;
  const word = type.replace(/s$/, "");
  return type in HOLDERS ? h("a", { href: `#${HOLDERS[type]}${id}` }, word) : word;
}

function actions(page, token) {
  if (token.id === session().tokenId) return null;
  return h("div", { class: "row-actions" },
    button("New secret", () => regenerate(page, token)),
    button("Revoke", () => revoke(page, token), { kind: "danger" }));
}

async function regenerate(page, token) {
  const { api } = session();
  let made;
  const done = await confirm({
    title: "Give it a new secret?", button: "Make a new secret", danger: false,
    text: "The secret that it has now is worthless from then on, everywhere.",
    work: async () => { made = await api.put(`/tokens/${token.id}`); },
  });
  if (!done) return;
  await showSecret("The new secret", "Keep it now: it is shown only once.", made.attributes.token);
  page.refresh();
}

async function revoke(page, token) {
  const done = await confirm({
    title: "Revoke the token?", button: "Revoke it", text: "Whoever uses it is refused from the next request on.",
    work: () => session().api.delete(`/tokens/${token.id}`),
  });
  if (done) {
    tell("The token is revoked.");
    page.refresh();
  }
}

/** Make a token for a product, license or user, and show its secret. Gives whether one was made. */
export async function makeToken(api, bearer) {
  const made = await askForm({
    title: "New token", button: "Create",
    fields: [
      { name: "name", label: "Name", placeholder: "build machine", hint: "What it is for, so that you know it later." },
      { name: "expiry", label: "Ends", kind: "datetime", hint: "Empty: never." },
    ],
    submit: ({ name, expiry }) => api.post(`/${bearer.type}/${bearer.id}/tokens`,
      resource("tokens", { name: orNull(name), expiry: fromInput(expiry) })),
  });
  if (!made) return false;
  await showSecret("The token", "Keep it now: it is shown only once.", made.attributes.token);
  return true;
}
