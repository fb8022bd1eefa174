/** Releases as tables show them. */

import { related } from "../api.js";
import { h } from "../dom.js";
import { day } from "../format.js";
import { badge } from "../parts/pages.js";
import { engineName } from "../words.js";

/** Columns of a list of releases; with `packages`, they say which of them a release is of. */
export function releaseColumns(packages = null) {
  const columns = [
    { label: "Version", kind: "main", cell: version },
    { label: "Status", cell: (each) => badge(each.attributes.status) },
    { label: "Channel", cell: (each) => each.attributes.channel },
    { label: "Tag", cell: (each) => each.attributes.tag && h("code", {}, each.attributes.tag) },
    { label: "Created", kind: "end", cell: (each) => day(each.attributes.backdated ?? each.attributes.created) },
  ];
  if (packages) columns.splice(1, 0, { label: "Package", cell: (each) => packageOf(each, packages) });
  return columns;
}

function version(release) {
  const { version: number, name } = release.attributes;
  return [h("a", { href: `#/releases/${release.id}` }, number), name && h("span", { class: "aside" }, name)];
}

function packageOf(release, packages) {
  const id = related(release, "package");
  const found = packages.find((each) => each.id === id);
  if (!found) return h("span", { class: "faint" }, id ? "another" : "none");
  return [h("a", { href: `#/packages/${id}` }, found.attributes.key), " ",
    h("span", { class: "faint" }, engineName(found.attributes.engine))];
}
