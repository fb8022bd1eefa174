/** Whom a release is for: the product's strategy, and the entitlements that it demands. */

import { related } from "../api.js";
import { h } from "../dom.js";
import { askForm } from "../parts/dialogs.js";
import { doing } from "../parts/notices.js";
import { button } from "../parts/pages.js";

const BASIS = {
  OPEN: "Anybody, once it is published",
  LICENSED: "Holders of a license for the product",
  CLOSED: "Only you: the product is closed",
};

export async function constraints({ page, api, release, write, product }) {
  const path = `/releases/${release.id}/constraints`;
  const [demands, entitlements] = await Promise.all([
    api.all(path, { signal: page.signal }), api.all("/entitlements", { signal: page.signal }),
  ]);
  const demanded = new Set(demands.map((each) => related(each, "entitlement")));
  const open = entitlements.filter((each) => !demanded.has(each.id));
  const basis = BASIS[product?.attributes.distributionStrategy] ?? "Whoever the product lets have it";
  return [
    h("p", {}, demands.length === 0 ? `${basis}.` : `${basis}, with all of these entitlements:`),
    demands.length > 0 && h("ul", { class: "chips" }, demands.map((each) => chip(each))),
    write && (open.length > 0 ? button("Demand an entitlement", demand)
      : entitlements.length === 0 && h("p", { class: "hint" }, "With ",
        h("a", { href: "#/entitlements" }, "entitlements"), " a release can be kept for some of the licenses.")),
  ];

  function chip(constraint) {
    const id = related(constraint, "entitlement");
    const found = entitlements.find((each) => each.id === id);
    const label = found ? found.attributes.code : id;
    return h("li", { class: "chip" }, label, write && h("button", { type: "button", class: "bare",
      "aria-label": `No longer demand ${label}`, on: { click: doing(async () => {
        await api.delete(path, { data: [{ type: "constraints", id: constraint.id }] });
        page.refresh();
      }) } }, "×"));
  }

  async function demand() {
    const done = await askForm({
      title: "Demand an entitlement", button: "Demand it",
      lead: "Only licenses that have it, from their policy or by themselves, get the release from now on.",
      fields: [{ name: "entitlement", label: "Entitlement", kind: "choice", pointer: "/data",
        options: open.map((each) => [each.id, `${each.attributes.name} (${each.attributes.code})`]) }],
      submit: ({ entitlement }) => api.post(path, { data: [{ type: "constraints",
        relationships: { entitlement: { data: { type: "entitlements", id: entitlement } } } }] }),
    });
    if (done) page.refresh();
  }
}
