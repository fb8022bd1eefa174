/** One package: its releases, how customers install it, and its settings. */

import { related, resource } from "../api.js";
import { h } from "../dom.js";
import { confirm } from "../parts/dialogs.js";
import { form, metadataField, orNull, readMetadata } from "../parts/form.js";
import { tell } from "../parts/notices.js";
import { button, ending, heading, label, linkButton, section, tabs } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { ENGINES, KEY_HINTS, engineName } from "../words.js";
import { install } from "./install.js";
import { releaseColumns } from "./releases.js";

async function open(page) {
  const { api } = session();
  const item = await api.get(`/packages/${encodeURIComponent(page.params.id)}`, { signal: page.signal });
  const product = await api.find(`/products/${related(item, "product")}`, { signal: page.signal });
  const at = `/packages/${item.id}`;
  const { name, key, engine } = item.attributes;
  const create = may("catalogue.write")
    ? [linkButton("New release", `/new-release?package=${item.id}`, { kind: "primary", symbol: "plus" })] : [];
  const head = [
    heading({
      title: name,
      crumbs: [["Products", "/products"], ...(product ? [[product.attributes.name, `/products/${product.id}`]] : [])],
      beside: [label(engineName(engine)), h("code", {}, key)], actions: create,
    }),
    tabs("Parts of the package", page.path, [
      ["Releases", at], ["Install", `${at}/install`], ...(may("catalogue.write") ? [["Settings", `${at}/settings`]] : []),
    ]),
  ];
  return { api, item, product, head };
}

export async function packageReleases(page) {
  const { api, item, head } = await open(page);
  return [...head, await listing({
    api, signal: page.signal, path: "/releases", query: { package: item.id }, caption: "Releases of the package",
    columns: releaseColumns(),
    empty: nothing("No releases yet", "A release is a version with its files. It is a draft until you publish it.",
      ...(may("catalogue.write")
        ? [linkButton("Create the first release", `/new-release?package=${item.id}`, { kind: "primary" })] : [])),
  })];
}

export async function packageInstall(page) {
  const { api, item, product, head } = await open(page);
  return [...head, await install({ api, item, product, signal: page.signal })];
}

export async function packageSettings(page) {
  const { api, item, product, head } = await open(page);
  const { name, key, engine, metadata } = item.attributes;
  return [...head,
    section("Settings", {}, form({
      fields: [
        { name: "name", label: "Name", required: true, value: name },
        { name: "key", label: "Key", required: true, value: key, code: true, hint: KEY_HINTS[engine] },
        { name: "engine", label: "Who installs it", kind: "choice", value: engine ?? "",
          options: [...ENGINES, ["", "No engine – files by the API only"]],
          hint: "Files that are here already are not read again; upload them anew where that matters." },
        metadataField(metadata),
      ],
      button: "Save",
      submit: async (values) => {
        await api.patch(`/packages/${item.id}`, resource("packages",
          { ...values, engine: orNull(values.engine), metadata: readMetadata(values.metadata) }));
        tell("Saved.");
        page.refresh();
      },
    })),
    ending("Delete the package",
      "With it go its releases and files. Its name never leads to another registry, even then.",
      button("Delete", () => remove(api, item, product), { kind: "danger" }))];
}

async function remove(api, item, product) {
  const done = await confirm({
    title: `Delete ${item.attributes.name}?`, button: "Delete the package", word: item.attributes.key,
    text: "Customers can install nothing of it any more. This cannot be undone.",
    work: () => api.delete(`/packages/${item.id}`),
  });
  if (done) {
    tell(`${item.attributes.name} is deleted.`);
    go(product ? `/products/${product.id}` : "/products");
  }
}
