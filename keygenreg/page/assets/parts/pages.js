/** What pages have in common: their heading with the way back, tabs, sections, badges and facts. */

import { h, icon } from "../dom.js";

/** The head of a page: `crumbs` are `[label, path]` of the way to it, `beside` stands by the title, `actions` at the end. */
export function heading({ title, crumbs = [], beside = [], lead = null, actions = [] }) {
  return h("header", { class: "heading" },
    crumbs.length > 0 && h("nav", { class: "crumbs", "aria-label": "Where this is" },
      h("ol", {}, crumbs.map(([label, path]) => h("li", {}, h("a", { href: `#${path}` }, label), icon("right"))))),
    h("div", { class: "title" },
      h("h1", { tabIndex: -1, data: { title } }, title), h("div", { class: "beside" }, beside),
      h("div", { class: "actions" }, actions)),
    lead && h("p", { class: "lead" }, lead));
}

/** Tabs that are addresses: `[label, path]`. */
export function tabs(label, here, entries) {
  return h("nav", { class: "tabs", "aria-label": label }, entries.map(([text, path]) =>
    h("a", { href: `#${path}`, "aria-current": path === here ? "page" : null }, text)));
}

export function section(title, { actions = [], lead = null } = {}, ...children) {
  return h("section", { class: "section" },
    h("div", { class: "section-head" }, h("h2", {}, title), h("div", { class: "actions" }, actions)),
    lead && h("p", { class: "lead" }, lead), children);
}

const TONES = {
  PUBLISHED: "good", UPLOADED: "good", ACTIVE: "good", OPEN: "good",
  PROCESSING: "busy", WAITING: "busy", EXPIRING: "warn", LICENSED: "calm",
  FAILED: "bad", YANKED: "bad", SUSPENDED: "bad", BANNED: "bad", EXPIRED: "warn",
};

/** A word of the API, such as PUBLISHED, as a badge. */
export function badge(word, tone = TONES[word] ?? "plain") {
  const text = word.replaceAll("_", " ").toLowerCase();
  return label(text.charAt(0).toUpperCase() + text.slice(1), tone);
}

/** A badge with any text. */
export function label(text, tone = "calm") {
  return h("span", { class: `badge ${tone}` }, text);
}

/** Names and values: `[name, value]`; those without a value are left out. */
export function facts(entries) {
  return h("dl", { class: "facts" }, entries.filter(([, value]) => ![null, undefined, false, ""].includes(value))
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** What ends a record: the words on one side, the button on the other. */
export function ending(title, text, button) {
  return h("section", { class: "section ending" }, h("div", {}, h("h2", {}, title), h("p", {}, text)), button);
}

export function button(label, click, { kind = null, symbol = null } = {}) {
  return h("button", { type: "button", class: kind, on: { click } }, symbol && icon(symbol), label);
}

export function linkButton(label, path, { kind = null, symbol = null } = {}) {
  return h("a", { class: `button ${kind ?? ""}`, href: `#${path}` }, symbol && icon(symbol), label);
}
