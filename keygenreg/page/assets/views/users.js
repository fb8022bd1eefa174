/** Users: customers, and the vendor's own people. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { day } from "../format.js";
import { askForm } from "../parts/dialogs.js";
import { form, said } from "../parts/form.js";
import { badge, button, heading, tabs } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { ROLES, labelOf } from "../words.js";

const STAFF = ROLES.map(([role]) => role).filter((role) => role !== "user");

export async function users({ query, signal }) {
  const { api } = session();
  const staff = query.get("who") === "staff";
  const create = may("users.write") && (() => makeUser(api, staff));
  return [
    heading({ title: "Users", lead: "Customers reach what their licenses reach. Staff work here, as their role lets them.",
      actions: create ? [button("New user", create, { kind: "primary", symbol: "plus" })] : [] }),
    tabs("Kinds of users", staff ? "/users?who=staff" : "/users", [["Customers", "/users"], ["Staff", "/users?who=staff"]]),
    h("div", { class: "filters" }, finder(api)),
    await listing({
      api, signal, path: "/users", query: { "roles[]": staff ? STAFF : ["user"] }, caption: "Users",
      columns: [
        { label: "E-mail", kind: "main", cell: (each) => [h("a", { href: `#/users/${each.id}` }, each.attributes.email),
          each.attributes.fullName && h("span", { class: "aside" }, each.attributes.fullName)] },
        { label: "Role", cell: (each) => labelOf(ROLES, each.attributes.role) },
        { label: "Status", cell: (each) => badge(each.attributes.status) },
        { label: "Created", kind: "end", cell: (each) => day(each.attributes.created) },
      ],
      empty: nothing("Nobody yet", "You need customers as users only if they sign in themselves: a license works without.",
        ...(create ? [button("Create a user", create, { kind: "primary" })] : [])),
    }),
  ];
}

function finder(api) {
  return form({
    fields: [{ name: "email", label: "Find by e-mail", kind: "email", required: true, pointer: "email" }],
    button: "Find", kind: null,
    submit: async ({ email }) => {
      const found = await api.find(`/users/${encodeURIComponent(email.trim())}`);
      if (!found) throw Object.assign(new Error("Nobody has this address."), { field: "email" });
      go(`/users/${found.id}`);
    },
  });
}

/** The fields of a user; `attributes` of one that is changed. */
export function userFields(attributes = null) {
  return [
    { name: "email", label: "E-mail", kind: "email", required: true, value: attributes?.email },
    { name: "firstName", label: "First name", value: attributes?.firstName },
    { name: "lastName", label: "Last name", value: attributes?.lastName },
    ...(may("users.role") ? [{ name: "role", label: "Role", kind: "choice", options: ROLES, value: attributes?.role ?? "user",
      hint: attributes && "A change of the role revokes all tokens of the user." }] : []),
    ...(attributes === null || may("users.password") ? [{ name: "password", label: "Password", kind: "password",
      autocomplete: "new-password",
      hint: attributes ? "Empty: stays what it is." : "Empty: none, so signing in takes a token." }] : []),
  ];
}

async function makeUser(api, staff) {
  const made = await askForm({
    title: "New user", button: "Create", fields: userFields().map((each) => (each.name === "role" && staff
      ? { ...each, value: "developer" } : each)),
    submit: (values) => api.post("/users", resource("users", said(values))),
  });
  if (made) go(`/users/${made.id}`);
}
