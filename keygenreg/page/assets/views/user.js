/** One user: who it is, its licenses and tokens. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { moment } from "../format.js";
import { askForm, confirm } from "../parts/dialogs.js";
import { orNull } from "../parts/form.js";
import { doing, tell } from "../parts/notices.js";
import { badge, button, ending, facts, heading, label, section } from "../parts/pages.js";
import { listing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { ROLES, labelOf } from "../words.js";
import { licenseColumns } from "./licenses.js";
import { makeToken, tokenColumns } from "./token_parts.js";
import { userFields } from "./users.js";

export async function user(page) {
  const { api, bearer } = session();
  const { signal } = page;
  const found = await api.get(`/users/${encodeURIComponent(page.params.id)}`, { signal });
  const at = `/users/${found.id}`;
  const { email, fullName, role, status, created } = found.attributes;
  const self = bearer.id === found.id;
  const customer = role === "user";
  return [
    heading({ title: email, crumbs: [["Users", customer ? "/users" : "/users?who=staff"]],
      beside: [label(labelOf(ROLES, role)), badge(status)],
      actions: customer && may("users.ban") ? [ban({ page, api, found, at })] : [] }),
    section("Details", { actions: may("users.write") ? [button("Edit", () => edit({ page, api, found, at }))] : [] },
      facts([["Name", fullName], ["Role", labelOf(ROLES, role)], ["Created", moment(created)]])),
    section("Licenses", {}, await listing({ api, signal, path: `${at}/licenses`, caption: "Licenses of the user",
      columns: licenseColumns(), empty: h("p", { class: "faint" }, "None.") })),
    section("Tokens", { actions: may("users.tokens") && (customer || self) ? [button("New token", async () => {
      if (await makeToken(api, found)) page.refresh();
    })] : [] }, await listing({ api, signal, path: `${at}/tokens`, caption: "Tokens of the user", columns: tokenColumns(page),
      empty: h("p", { class: "faint" }, "None.") })),
    may("users.delete") && !self && ending("Delete the user",
      "The licenses that the user owns, and the user's tokens, go too.",
      button("Delete", () => remove(api, found, at), { kind: "danger" })),
  ];
}

function ban({ page, api, found, at }) {
  const banned = found.attributes.status === "BANNED";
  return h("button", { type: "button", class: banned ? null : "danger", on: { click: doing(async () => {
    await api.post(`${at}/actions/${banned ? "unban" : "ban"}`);
    tell(banned ? "The user may come in again." : "The user is banned: the very next request is refused.");
    page.refresh();
  }) } }, banned ? "Lift the ban" : "Ban");
}

async function edit({ page, api, found, at }) {
  const done = await askForm({
    title: "User", button: "Save", fields: userFields(found.attributes),
    submit: ({ email, firstName, lastName, role, password }) => api.patch(at, resource("users", {
      email, firstName: orNull(firstName), lastName: orNull(lastName),
      ...(role && role !== found.attributes.role ? { role } : {}), ...(password ? { password } : {}) })),
  });
  if (done) {
    tell("Saved.");
    page.refresh();
  }
}

async function remove(api, found, at) {
  const done = await confirm({
    title: `Delete ${found.attributes.email}?`, button: "Delete the user", word: found.attributes.email,
    text: "Licenses that this user owns are gone, too. This cannot be undone.", work: () => api.delete(at),
  });
  if (done) {
    tell("The user is deleted.");
    go("/users");
  }
}
