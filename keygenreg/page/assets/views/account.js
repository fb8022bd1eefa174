/** Who is signed in, the account and its keys, and changing the password. */

import { h } from "../dom.js";
import { codeLine } from "../parts/copying.js";
import { form } from "../parts/form.js";
import { tell } from "../parts/notices.js";
import { facts, heading, section } from "../parts/pages.js";
import { session } from "../session.js";
import { ROLES, labelOf } from "../words.js";

export async function account(page) {
  const { api, bearer, role } = session();
  const answer = await api.request("GET", "/me", { signal: page.signal });
  const id = answer.headers.get("Keygen-Account");
  const found = await api.get(`/accounts/${id}`, { signal: page.signal }).catch(() => null);
  const person = bearer.type === "users";
  return [
    heading({ title: "Account" }),
    section("You", {}, facts([
      [person ? "E-mail" : "Bearer", bearer.attributes.email ?? bearer.attributes.name ?? bearer.type],
      ["Name", bearer.attributes.fullName], ["Role", labelOf(ROLES, role)],
    ])),
    person && section("Password", { lead: "With a new one, all your other sessions and tokens end." }, passwordForm(api, bearer)),
    found && section("The account", {}, facts([
      ["Name", found.attributes.name], ["Short name", h("code", {}, found.attributes.slug)],
      ["Id", codeLine(found.id, "Copy the id")],
      ["Ed25519 key, which signs the answers", found.meta?.keys?.ed25519 && codeLine(found.meta.keys.ed25519, "Copy the key")],
    ])),
  ];
}

function passwordForm(api, bearer) {
  const element = form({
    button: "Change it",
    fields: [
      { name: "oldPassword", label: "Current password", kind: "password", required: true, autocomplete: "current-password",
        pointer: "/meta/oldPassword" },
      { name: "newPassword", label: "New password", kind: "password", required: true, autocomplete: "new-password",
        pointer: "/meta/newPassword" },
    ],
    submit: async (meta) => {
      await api.post(`/users/${bearer.id}/actions/update-password`, { meta });
      tell("The password is changed.");
      element.reset();
    },
  });
  return element;
}
