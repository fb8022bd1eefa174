/** All products, and making one. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { day } from "../format.js";
import { askForm } from "../parts/dialogs.js";
import { said } from "../parts/form.js";
import { badge, button, heading } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { STRATEGIES } from "../words.js";

/** The fields of a product; `attributes` of one that is changed. */
export function productFields(attributes = {}) {
  return [
    { name: "name", label: "Name", required: true, value: attributes.name, placeholder: "Osprey" },
    { name: "code", label: "Code", value: attributes.code, code: true, placeholder: "osprey",
      hint: "A short name for addresses and commands." },
    { name: "distributionStrategy", label: "Who may read what is published", kind: "choice", options: STRATEGIES,
      value: attributes.distributionStrategy ?? "LICENSED" },
    { name: "url", label: "Website", kind: "url", value: attributes.url, placeholder: "https://example.com" },
  ];
}

export async function products({ signal }) {
  const { api } = session();
  const create = may("products.manage") && (() => makeProduct(api));
  return [
    heading({ title: "Products", lead: "What you sell. A product has packages, and licenses that open them.",
      actions: create ? [button("New product", create, { kind: "primary", symbol: "plus" })] : [] }),
    await listing({
      api, signal, path: "/products", caption: "Products",
      columns: [
        { label: "Name", kind: "main", cell: (each) => h("a", { href: `#/products/${each.id}` }, each.attributes.name) },
        { label: "Code", cell: (each) => each.attributes.code && h("code", {}, each.attributes.code) },
        { label: "Access", cell: (each) => badge(each.attributes.distributionStrategy) },
        { label: "Created", kind: "end", cell: (each) => day(each.attributes.created) },
      ],
      empty: nothing("No products yet", "A product is what customers buy. It comes first; then its packages, and their releases.",
        ...(create ? [button("Create the first product", create, { kind: "primary" })] : [])),
    }),
  ];
}

async function makeProduct(api) {
  const made = await askForm({
    title: "New product", fields: productFields(), button: "Create",
    submit: (values) => api.post("/products", resource("products", said(values))),
  });
  if (made) go(`/products/${made.id}`);
}
