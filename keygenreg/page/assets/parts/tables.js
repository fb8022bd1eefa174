/** Tables and lists that go on. */

import { fill, h } from "../dom.js";
import { doing } from "./notices.js";

/**
 * Rows of records. Columns are `{ label, cell, kind }`: `cell(record)` gives what a cell holds, `kind` is a class of its
 * cells (`main`, `number`, `end`).
 */
export function table(columns, records, caption) {
  const heads = columns.map((each) => h("th", { scope: "col", role: "columnheader", class: each.kind }, each.label));
  // On narrow screens a row is a block, which would not be a row any more to who listens: roles say that it is.
  return h("table", { role: "table" }, h("caption", { class: "spoken" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
    h("tbody", { role: "rowgroup" }, records.map((each) => row(columns, each))));
}

function row(columns, record) {
  return h("tr", { role: "row" }, columns.map(({ label, cell, kind }) =>
    h("td", { role: "cell", class: kind, data: { label } }, cell(record))));
}

/**
 * A list of the API as a table that can be continued.
 *
 * `api` and `path` with `query` say what is listed; `empty` is shown where there is nothing.
 */
export async function listing({ api, path, query, columns, caption, empty, signal }) {
  let page = await api.list(path, { query, signal });
  if (page.data.length === 0) return empty;
  const shown = table(columns, page.data, caption);
  const more = h("div", { class: "more" });

  function offer() {
    fill(more, page.next !== null && h("button", { type: "button", on: { click: doing(async () => {
      page = await api.more(page.next, signal);
      shown.tBodies[0].append(...page.data.map((each) => row(columns, each)));
      offer();
    }) } }, "Show more"));
  }

  offer();
  return h("div", { class: "listing" }, shown, more);
}

/** What is shown in place of a list without anything: what it is for, and what to do next. */
export function nothing(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h3", {}, title), h("p", {}, text), actions.length > 0
    && h("div", { class: "buttons" }, actions));
}
