/** One policy: its terms, the entitlements of all its licenses, and these licenses. */

import { related, resource } from "../api.js";
import { confirm } from "../parts/dialogs.js";
import { form } from "../parts/form.js";
import { tell } from "../parts/notices.js";
import { button, ending, heading, section } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { attachments } from "./attachments.js";
import { licenseColumns, makeLicense } from "./licenses.js";
import { policyAttributes, policyFields } from "./policies.js";

export async function policy(page) {
  const { api } = session();
  const { signal } = page;
  const found = await api.get(`/policies/${page.params.id}`, { signal });
  const product = await api.find(`/products/${related(found, "product")}`, { signal });
  const write = may("policies.write");
  const create = () => makeLicense(api, { policy: found });
  return [
    heading({
      title: found.attributes.name,
      crumbs: product ? [["Products", "/products"], [product.attributes.name, `/products/${product.id}/licensing`]]
        : [["Policies", "/policies"]],
      lead: "A policy", actions: write ? [button("New license", create, { kind: "primary", symbol: "plus" })] : [],
    }),
    section("Licenses", {}, await listing({
      api, signal, path: `/policies/${found.id}/licenses`, caption: "Licenses of the policy", columns: licenseColumns(),
      empty: nothing("No licenses yet", "Licenses under this policy appear here."),
    })),
    section("Entitlements", { lead: "All licenses of the policy have these." },
      await attachments({ page, api, path: `/policies/${found.id}/entitlements`, kind: "entitlements", write })),
    write && section("Terms", {
      lead: "Changes count for the licenses that are there, too, but do not move their expiry.",
    }, form({
      fields: policyFields(found.attributes), button: "Save",
      submit: async (values) => {
        await api.patch(`/policies/${found.id}`, resource("policies", policyAttributes(values)));
        tell("Saved.");
        page.refresh();
      },
    })),
    may("policies.delete") && ending("Delete the policy", "Its licenses go with it.",
      button("Delete", () => remove(api, found, product), { kind: "danger" })),
  ];
}

async function remove(api, found, product) {
  const done = await confirm({
    title: `Delete ${found.attributes.name}?`, button: "Delete the policy", word: found.attributes.name,
    text: "All licenses under it are gone, and their keys are worthless. This cannot be undone.",
    work: () => api.delete(`/policies/${found.id}`),
  });
  if (!done) return;
  tell(`${found.attributes.name} is deleted.`);
  go(product ? `/products/${product.id}/licensing` : "/policies");
}
