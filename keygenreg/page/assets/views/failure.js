/** What is shown where a view cannot be: nothing is there, or the registry refused. */

import { h } from "../dom.js";
import { sentence } from "../parts/notices.js";
import { button, heading, linkButton } from "../parts/pages.js";

const TITLES = { 403: "You may not see this", 404: "There is nothing here" };

export async function failure({ error, refresh }) {
  const title = error === undefined || error.status ? TITLES[error?.status ?? 404] ?? "That did not work" : "No answer";
  const text = error?.message ?? "This address belongs to no part of the page.";
  return h("div", {}, heading({ title }), h("p", {}, sentence(text)),
    error?.requestId && error.status >= 500 && h("p", { class: "hint" },
      `The registry's log calls this request ${error.requestId}.`),
    h("div", { class: "buttons" }, error && button("Try again", refresh, { kind: "primary" }),
      linkButton("To the products", "/products")));
}
