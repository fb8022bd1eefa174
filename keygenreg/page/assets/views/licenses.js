/** Licenses: finding them, listing them, and making one. */

import { linkage, related, resource } from "../api.js";
import { h } from "../dom.js";
import { day, fromInput } from "../format.js";
import { askForm } from "../parts/dialogs.js";
import { form, orNull } from "../parts/form.js";
import { badge, button, heading } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";

const STATUSES = ["ACTIVE", "INACTIVE", "EXPIRING", "EXPIRED", "SUSPENDED", "BANNED"];

export function licenseColumns() {
  return [
    { label: "License", kind: "main", cell: (each) => [h("a", { href: `#/licenses/${each.id}` },
      each.attributes.name ?? h("span", { class: "faint" }, "without a name")), h("code", { class: "aside" }, shortened(each))] },
    { label: "Status", cell: (each) => badge(each.attributes.status) },
    { label: "Ends", cell: (each) => (each.attributes.expiry ? day(each.attributes.expiry) : "never") },
    { label: "Created", kind: "end", cell: (each) => day(each.attributes.created) },
  ];
}

function shortened({ attributes: { key } }) {
  return key.length > 42 ? `${key.slice(0, 40)}…` : key;
}

export async function licenses({ query, signal }) {
  const { api } = session();
  const create = may("licenses.write") && (() => makeLicense(api, {}));
  const status = query.get("status");
  return [
    heading({ title: "Licenses", lead: "Customers' keys to what you publish.",
      actions: create ? [button("New license", create, { kind: "primary", symbol: "plus" })] : [] }),
    h("div", { class: "filters" }, finder(api),
      h("div", { class: "field" }, h("label", { htmlFor: "status" }, "Status"), choice(status))),
    await listing({
      api, signal, path: "/licenses", query: { status: status || undefined }, caption: "Licenses", columns: licenseColumns(),
      empty: status ? nothing("None of these", `No license is ${status.toLowerCase()}.`)
        : nothing("No licenses yet", "Make one for each customer. It belongs to a policy of the product that it opens.",
          ...(create ? [button("Create the first license", create, { kind: "primary" })] : [])),
    }),
  ];
}

function choice(status) {
  const select = h("select", { id: "status", on: { change: () => go(`/licenses${select.value && `?status=${select.value}`}`) } },
    h("option", { value: "" }, "Any"), STATUSES.map((each) => h("option", { value: each }, each.toLowerCase())));
  select.value = status ?? "";
  return select;
}

/** Keys are names of licenses to the API, so one is found as it was sent to the customer. */
function finder(api) {
  return form({
    fields: [{ name: "key", label: "Find by key", required: true, code: true, pointer: "key" }],
    button: "Find", kind: null,
    submit: async ({ key }) => {
      const found = await api.find(`/licenses/${encodeURIComponent(key.trim())}`);
      if (!found) throw Object.assign(new Error("No license has this key."), { field: "key" });
      go(`/licenses/${found.id}`);
    },
  });
}

/** Make a license and go to it: under a policy, one of a product's, or one of all. */
export async function makeLicense(api, { policy = null, product = null }) {
  const [policies, users] = await Promise.all([
    policy ? [policy] : api.all("/policies", { query: product ? { product: product.id } : {} }),
    api.all("/users").catch(() => []),
  ]);
  const products = policy || product ? [] : await api.all("/products");
  const label = (each) => {
    const owner = products.find((one) => one.id === related(each, "product"));
    return owner ? `${owner.attributes.name}: ${each.attributes.name}` : each.attributes.name;
  };
  const made = await askForm({
    title: "New license", button: "Create",
    lead: policies.length === 0 ? "There is no policy yet; make one first." : null,
    fields: [
      ...(policy ? [] : [{ name: "policy", label: "Policy", kind: "choice", required: true,
        pointer: "/data/relationships/policy", options: policies.map((each) => [each.id, label(each)]) }]),
      { name: "name", label: "Name", placeholder: "Harbor Ltd", hint: "Who it is for." },
      { name: "key", label: "Key", code: true, hint: "Empty: one is made." },
      ...(users.length ? [{ name: "owner", label: "Owner", kind: "choice", pointer: "/data/relationships/owner",
        options: [["", "Nobody"], ...users.map((each) => [each.id, each.attributes.email])] }] : []),
      { name: "expiry", label: "Ends", kind: "datetime", hint: "Empty: as the policy says." },
    ],
    submit: ({ policy: chosen, name, key, owner, expiry }) => api.post("/licenses", resource("licenses", {
      name: orNull(name.trim()), ...(key.trim() ? { key: key.trim() } : {}), ...(expiry ? { expiry: fromInput(expiry) } : {}),
    }, {
      policy: { data: { type: "policies", id: policy?.id ?? chosen } },
      ...(owner ? { owner: linkage({ type: "users", id: owner }) } : {}),
    })),
  });
  if (made) go(`/licenses/${made.id}`);
}
