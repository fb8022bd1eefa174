/** Entitlements: names for what customers have bought, which licenses hold and releases demand. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { day } from "../format.js";
import { askForm, confirm } from "../parts/dialogs.js";
import { tell } from "../parts/notices.js";
import { button, heading } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { session } from "../session.js";

export async function entitlements(page) {
  const { api } = session();
  const write = may("entitlements.write");
  const create = () => save(page, null);
  return [
    heading({ title: "Entitlements", lead: "Names for what customers have bought. Licenses hold them; releases may demand them.",
      actions: write ? [button("New entitlement", create, { kind: "primary", symbol: "plus" })] : [] }),
    await listing({
      api, signal: page.signal, path: "/entitlements", caption: "Entitlements",
      columns: [
        { label: "Name", kind: "main", cell: (each) => each.attributes.name },
        { label: "Code", cell: (each) => h("code", {}, each.attributes.code) },
        { label: "Created", cell: (each) => day(each.attributes.created) },
        { label: "", kind: "end", cell: (each) => write && h("div", { class: "row-actions" },
          button("Edit", () => save(page, each)), button("Delete", () => remove(page, each), { kind: "danger" })) },
      ],
      empty: nothing("No entitlements yet", "You need them only if some licenses are to get releases that others do not.",
        ...(write ? [button("Create the first entitlement", create, { kind: "primary" })] : [])),
    }),
  ];
}

async function save(page, known) {
  const { api } = session();
  const done = await askForm({
    title: known ? "Entitlement" : "New entitlement", button: known ? "Save" : "Create",
    fields: [
      { name: "name", label: "Name", required: true, value: known?.attributes.name, placeholder: "Second generation" },
      { name: "code", label: "Code", required: true, value: known?.attributes.code, code: true, placeholder: "GEN-2",
        hint: "For your own programs and the API." },
    ],
    submit: (values) => (known ? api.patch(`/entitlements/${known.id}`, resource("entitlements", values))
      : api.post("/entitlements", resource("entitlements", values))),
  });
  if (done) page.refresh();
}

async function remove(page, known) {
  const done = await confirm({
    title: `Delete ${known.attributes.code}?`, button: "Delete it",
    text: "Licenses lose it, and releases no longer demand it: what only its holders could have, all licenses can have then.",
    work: () => session().api.delete(`/entitlements/${known.id}`),
  });
  if (done) {
    tell("The entitlement is deleted.");
    page.refresh();
  }
}
