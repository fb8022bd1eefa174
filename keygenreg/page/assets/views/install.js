/** How customers install a package: commands for their clients, with the license key that is filled in. */

import { fill, h } from "../dom.js";
import { installCommands } from "../install_commands.js";
import { codeBlock } from "../parts/copying.js";
import { section } from "../parts/pages.js";
import { registryUrl, session } from "../session.js";
import { engineName } from "../words.js";

export async function install({ api, item, product, signal }) {
  const { key, engine } = item.attributes;
  const strategy = product?.attributes.distributionStrategy ?? "LICENSED";
  const closed = strategy === "CLOSED";
  const newest = await newestRelease(api, item, signal);
  const files = newest ? (await api.all(`/releases/${newest.id}/artifacts`, { query: { status: "UPLOADED" }, signal }))
    .map((each) => each.attributes.filename) : [];
  const known = {
    base: registryUrl(), account: session().mode === "multiplayer" ? session().account : null,
    product: product?.attributes.code ?? product?.id, key, files,
    version: newest?.attributes.version ?? null, tag: newest?.attributes.tag ?? null, open: strategy === "OPEN",
    user: closed ? "token" : "license",
  };
  const blocks = h("div", { class: "blocks" });
  const input = h("input", { id: "license-key", type: "text", class: "code", placeholder: closed ? "TOKEN" : "KEY",
    autocomplete: "off", spellcheck: "false", autocapitalize: "none", on: { input: draw } });
  draw();
  return [
    h("p", { class: newest ? "note" : "note warn" }, newest
      ? `The newest published release is ${newest.attributes.version}. What is below can be given to customers as it is.`
      : "Nothing is published yet, so there is nothing to install: these commands work as soon as a release is published."),
    strategy === "CLOSED" && h("p", { class: "note warn" }, 
      "The product is closed: no license opens it, only tokens of yours do."),
    strategy !== "OPEN" && h("div", { class: "field license-key" },
      h("label", { htmlFor: "license-key" }, closed ? "Token" : "License key"), input,
      h("p", { class: "hint" }, "Fills in the commands; it goes nowhere else. ", product
        && h("a", { href: `#/products/${product.id}/${closed ? "tokens" : "licensing"}` },
          `${closed ? "Tokens" : "Licenses"} of the product`))),
    section(engine ? `${engineName(engine)} clients` : "Any HTTP client", {}, blocks),
  ];

  function draw() {
    const commands = installCommands(engine, { ...known, secret: input.value.trim() || (closed ? "TOKEN" : "KEY") });
    fill(blocks, commands.map(({ title, text, note }) => h("div", { class: "block" }, h("h3", {}, title),
      codeBlock(text, `Copy: ${title}`), note && h("p", { class: "hint" }, note))));
  }
}

/** The highest stable release of the hundred that were published last, else the highest of any channel; null without one. */
async function newestRelease(api, item, signal) {
  const query = { package: item.id, status: "PUBLISHED" };
  for (const channel of ["stable", undefined]) {
    const { data: found } = await api.list("/releases", { query: { ...query, channel }, size: 100, signal });
    if (found.length) return found.reduce((best, each) => (isHigher(each, best) ? each : best));
  }
  return null;
}

function isHigher(one, other) {
  const [a, b] = [one.attributes.semver, other.attributes.semver];
  for (const part of ["major", "minor", "patch"]) {
    if (a[part] !== b[part]) return a[part] > b[part];
  }
  return one.attributes.created > other.attributes.created;
}
