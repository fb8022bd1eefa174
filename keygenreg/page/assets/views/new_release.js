/** A new release: its version and terms, and the files that are uploaded as soon as it is there. */

import { linkage, related, resource } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { size } from "../format.js";
import { channelOf, versionOf } from "../guess.js";
import { dropZone } from "../parts/drop_zone.js";
import { form, said } from "../parts/form.js";
import { heading, linkButton } from "../parts/pages.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { uploads } from "../uploads.js";
import { CHANNELS, FILE_HINTS, engineName } from "../words.js";
import { targetFields } from "./targets.js";

export async function newRelease({ query, signal }) {
  const { api } = session();
  const item = query.get("package") && await api.get(`/packages/${query.get("package")}`, { signal });
  const productId = item ? related(item, "product") : query.get("product");
  const [product, packages, entitlements] = await Promise.all([
    api.get(`/products/${productId}`, { signal }),
    item ? [item] : api.all("/packages", { query: { product: productId }, signal }),
    api.all("/entitlements", { signal }),
  ]);
  const chosen = pendingFiles(item?.attributes.engine, (version) => suggest(version));
  const targets = targetFields(item?.attributes.engine);
  const draft = form({
    wide: true,
    button: "Create draft",
    fields: [
      ...(item ? [] : [packageField(packages, packages[0]?.id)]),
      chosen.node,
      targets.node,
      { name: "version", label: "Version", required: true, short: true, code: true, placeholder: "1.4.0",
        hint: "A semantic version; a prerelease begins with its channel, as in 2.0.0-beta.1." },
      { name: "channel", label: "Channel", kind: "choice", options: CHANNELS, value: "stable", short: true },
      { name: "tag", label: "Tag", short: true, code: true, placeholder: "latest",
        hint: "A second name, which can move on to a later release." },
      { name: "name", label: "Name", placeholder: "Spring release" },
      { name: "description", label: "Notes", kind: "area", rows: 6, hint: "What is new. Updaters of apps show it." },
      ...(entitlements.length ? [{ name: "constraints", label: "Only for licenses with all of these entitlements", kind: "many",
        pointer: "/data/relationships/constraints",
        options: entitlements.map((each) => [each.id, `${each.attributes.name} (${each.attributes.code})`]) }] : []),
    ],
    extra: [linkButton("Cancel", item ? `/packages/${item.id}` : `/products/${product.id}/releases`)],
    submit: async (values) => {
      const made = await api.post("/releases", releaseDocument(values, product, item));
      if (chosen.files.length) uploads.add(made.id, chosen.files, targets.read());
      go(`/releases/${made.id}`);
    },
  });
  const { version, channel } = draft.fields;
  let channelIsChosen = false;
  channel.control.addEventListener("change", () => { channelIsChosen = true; });
  version.control.addEventListener("input", follow);

  function follow() {
    if (!channelIsChosen) channel.set(channelOf(version.read()));
  }

  function suggest(found) {
    if (version.read() !== "") return;
    version.set(found);
    follow();
  }

  const crumbs = [["Products", "/products"], [product.attributes.name, `/products/${product.id}`],
    ...(item ? [[item.attributes.name, `/packages/${item.id}`]] : [])];
  return [heading({ title: "New release", crumbs, lead: "It is a draft, which only you see, until you publish it." }), draft];
}

/** The field that says which package a release is of. */
export function packageField(packages, value) {
  return { name: "package", label: "Package", kind: "choice", pointer: "/data/relationships/package", value,
    options: [...packages.map((each) => [each.id, `${each.attributes.key} (${engineName(each.attributes.engine)})`]),
      ["", "None – files by their addresses only"]] };
}

function releaseDocument(values, product, item) {
  const { version, channel, tag, name, description, constraints = [] } = values;
  const inside = item ? { type: "packages", id: item.id } : values.package && { type: "packages", id: values.package };
  return resource("releases",
    said({ version: version.trim(), channel, tag: tag.trim(), name: name.trim(), description: description.trim() }), {
      product: linkage(product),
      ...(inside ? { package: { data: inside } } : {}),
      ...(constraints.length ? { constraints: { data: constraints.map((id) => ({ type: "constraints",
        relationships: { entitlement: { data: { type: "entitlements", id } } } })) } } : {}),
    });
}

/** Files that wait for their release; the first that tells a version is asked for it. */
function pendingFiles(engine, tellVersion) {
  const files = [];
  const list = h("ul", { class: "files" });
  const node = h("div", { class: "field" }, h("span", { class: "label" }, "Files"),
    dropZone({ hint: FILE_HINTS[engine], take: add }), list);

  function add(found) {
    for (const file of found) {
      const known = files.findIndex((each) => each.name === file.name);
      if (known >= 0) files.splice(known, 1);
      files.push(file);
    }
    const version = files.map((each) => versionOf(each.name)).find(Boolean);
    if (version) tellVersion(version);
    draw();
  }

  function draw() {
    fill(list, files.map((file) => h("li", { class: "file" }, icon("file"),
      h("div", { class: "what" }, h("span", { class: "name" }, file.name), h("span", { class: "faint" }, size(file.size))),
      h("button", { type: "button", class: "bare", "aria-label": `Leave out ${file.name}`, on: { click: () => {
        files.splice(files.indexOf(file), 1);
        draw();
      } } }, icon("cross")))));
  }

  return { node, files };
}
