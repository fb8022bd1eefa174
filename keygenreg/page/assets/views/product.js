/** One product: its packages, releases, licensing, tokens and settings. */

import { resource } from "../api.js";
import { h, outside } from "../dom.js";
import { day } from "../format.js";
import { askForm, confirm } from "../parts/dialogs.js";
import { form, metadataField, orNull, readMetadata } from "../parts/form.js";
import { tell } from "../parts/notices.js";
import { badge, button, ending, heading, linkButton, section, tabs } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { ENGINES, KEY_HINTS, engineName } from "../words.js";
import { licenseColumns, makeLicense } from "./licenses.js";
import { makePolicy, policyColumns } from "./policies.js";
import { productFields } from "./products.js";
import { releaseColumns } from "./releases.js";
import { makeToken, tokenColumns } from "./token_parts.js";

async function open(page, actions) {
  const { api } = session();
  const product = await api.get(`/products/${encodeURIComponent(page.params.id)}`, { signal: page.signal });
  const at = `/products/${product.id}`;
  const { name, code, url, distributionStrategy } = product.attributes;
  const head = [
    heading({
      title: name, crumbs: [["Products", "/products"]],
      beside: [badge(distributionStrategy), code && h("code", {}, code), url && outside(url)],
      actions: actions(api, product),
    }),
    tabs("Parts of the product", page.path, [
      ["Packages", at], ["Releases", `${at}/releases`], ["Licensing", `${at}/licensing`],
      ...(may("products.tokens") ? [["Tokens", `${at}/tokens`]] : []),
      ...(may("products.update") ? [["Settings", `${at}/settings`]] : []),
    ]),
  ];
  return { api, product, at, head };
}

export async function productPackages(page) {
  const create = (api, product) => () => makePackage(api, product);
  const { api, product, head } = await open(page, (...given) => (may("catalogue.write")
    ? [button("New package", create(...given), { kind: "primary", symbol: "plus" })] : []));
  return [...head, await listing({
    api, signal: page.signal, path: "/packages", query: { product: product.id }, caption: "Packages of the product",
    columns: [
      { label: "Name", kind: "main", cell: (each) => h("a", { href: `#/packages/${each.id}` }, each.attributes.name) },
      { label: "Key", cell: (each) => h("code", {}, each.attributes.key) },
      { label: "Engine", cell: (each) => engineName(each.attributes.engine) },
      { label: "Created", kind: "end", cell: (each) => day(each.attributes.created) },
    ],
    empty: nothing("No packages yet", "A package is what customers install, under one name and with one kind of client.",
      ...(may("catalogue.write") ? [button("Create the first package", create(api, product), { kind: "primary" })] : [])),
  })];
}

export async function productReleases(page) {
  const { api, product, head } = await open(page, (_, given) => (may("catalogue.write")
    ? [linkButton("New release", `/new-release?product=${given.id}`, { kind: "primary", symbol: "plus" })] : []));
  const packages = await api.all("/packages", { query: { product: product.id }, signal: page.signal });
  return [...head, await listing({
    api, signal: page.signal, path: "/releases", query: { product: product.id }, caption: "Releases of the product",
    columns: releaseColumns(packages),
    empty: nothing("No releases yet", "Releases of all packages of this product appear here."),
  })];
}

export async function productLicensing(page) {
  const { api, product, head } = await open(page, () => []);
  const [policies, licenses] = await Promise.all([
    listing({
      api, signal: page.signal, path: "/policies", query: { product: product.id }, caption: "Policies of the product",
      columns: policyColumns(),
      empty: nothing("No policies yet", "A policy holds the terms that licenses share. A license needs one."),
    }),
    listing({
      api, signal: page.signal, path: "/licenses", query: { product: product.id }, caption: "Licenses of the product",
      columns: licenseColumns(),
      empty: nothing("No licenses yet", "A license is a customer's key to what is published here."),
    }),
  ]);
  const write = may("policies.write");
  return [
    ...head,
    product.attributes.distributionStrategy !== "LICENSED" && h("p", { class: "note" },
      product.attributes.distributionStrategy === "OPEN"
        ? "This product is open: nobody needs a license, except for releases with constraints."
        : "This product is closed: no license opens it."),
    section("Policies", { actions: write ? [button("New policy", () => makePolicy(api, product), { symbol: "plus" })] : [] },
      policies),
    section("Licenses", { actions: write
      ? [button("New license", () => makeLicense(api, { product }), { symbol: "plus" })] : [] }, licenses),
  ];
}

export async function productTokens(page) {
  const { api, product, head } = await open(page, (_, given) => [
    button("New token", async () => {
      if (await makeToken(session().api, given)) page.refresh();
    }, { kind: "primary", symbol: "plus" }),
  ]);
  return [...head,
    h("p", { class: "lead" }, "For build machines: a token of the product publishes here and sees nothing else."),
    await listing({
      api, signal: page.signal, path: `/products/${product.id}/tokens`, caption: "Tokens of the product",
      columns: tokenColumns(page),
      empty: nothing("No tokens yet", "Make one for each machine that publishes, so that each can be revoked by itself."),
    })];
}

export async function productSettings(page) {
  const { api, product, head } = await open(page, () => []);
  return [...head,
    section("Settings", {}, form({
      fields: [...productFields(product.attributes), metadataField(product.attributes.metadata)], button: "Save",
      submit: async (values) => {
        await api.patch(`/products/${product.id}`, resource("products",
          { ...values, code: orNull(values.code), url: orNull(values.url), metadata: readMetadata(values.metadata) }));
        tell("Saved.");
        page.refresh();
      },
    })),
    may("products.manage") && ending("Delete the product",
      "With it go its packages, releases, files, policies, licenses and tokens.",
      button("Delete", () => remove(api, product), { kind: "danger" }))];
}

async function remove(api, product) {
  const { name, code } = product.attributes;
  const done = await confirm({
    title: `Delete ${name}?`, button: "Delete the product", word: code ?? name,
    text: "Customers can install nothing of it any more, and their licenses are gone. This cannot be undone.",
    work: () => api.delete(`/products/${product.id}`),
  });
  if (done) {
    tell(`${name} is deleted.`);
    go("/products");
  }
}

async function makePackage(api, product) {
  const made = await askForm({
    title: "New package", button: "Create",
    fields: [
      { name: "engine", label: "Who installs it", kind: "choice",
        options: [...ENGINES, ["", "No engine – files by the API only"]], value: "pypi" },
      { name: "key", label: "Key", required: true, code: true, placeholder: "osprey-sdk",
        hint: `What clients call it. ${KEY_HINTS.pypi}` },
      { name: "name", label: "Name", placeholder: "Osprey for Python", hint: "For people; the key if empty." },
    ],
    submit: ({ engine, key, name }) => api.post("/packages", resource("packages",
      { key: key.trim(), name: name || key.trim(), engine }, { product: { data: { type: "products", id: product.id } } })),
  });
  if (made) go(`/packages/${made.id}`);
}
