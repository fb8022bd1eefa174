/** One license: its key, its state and what is done to it, its entitlements, users and tokens. */

import { related, resource } from "../api.js";
import { h } from "../dom.js";
import { fromInput, moment, toInput } from "../format.js";
import { askForm, confirm } from "../parts/dialogs.js";
import { codeLine } from "../parts/copying.js";
import { metadataField, orNull, readMetadata } from "../parts/form.js";
import { doing, tell } from "../parts/notices.js";
import { badge, button, ending, facts, heading, section } from "../parts/pages.js";
import { listing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { attachments } from "./attachments.js";
import { makeToken, tokenColumns } from "./token_parts.js";

export async function license(page) {
  const { api } = session();
  const { signal } = page;
  const found = await api.get(`/licenses/${encodeURIComponent(page.params.id)}`, { signal });
  const at = `/licenses/${found.id}`;
  const owner = related(found, "owner");
  const [product, policy, inherited, holder] = await Promise.all([
    api.find(`/products/${related(found, "product")}`, { signal }),
    api.find(`/policies/${related(found, "policy")}`, { signal }),
    api.all(`/policies/${related(found, "policy")}/entitlements`, { signal }).catch(() => []),
    owner && api.find(`/users/${owner}`, { signal }),
  ]);
  const write = may("licenses.write");
  const work = { page, api, found, at, policy, owner };
  const fromPolicy = new Set(inherited.map((each) => each.id));
  return [
    heading({ title: found.attributes.name ?? "License", crumbs: [["Licenses", "/licenses"],
      ...(product ? [[product.attributes.name, `/products/${product.id}/licensing`]] : [])],
      beside: [badge(found.attributes.status)], actions: actions(work) }),
    section("Details", { actions: may("licenses.support") ? [button("Edit", () => edit(work))] : [] }, facts([
      ["Key", codeLine(found.attributes.key, "Copy the key")],
      ["Ends", found.attributes.expiry ? moment(found.attributes.expiry) : "never"],
      ["Product", product && h("a", { href: `#/products/${product.id}` }, product.attributes.name)],
      ["Policy", policy && h("a", { href: `#/policies/${policy.id}` }, policy.attributes.name)],
      ["Owner", holder && h("a", { href: `#/users/${holder.id}` }, holder.attributes.email)],
      ["Created", moment(found.attributes.created)],
      ["Metadata", Object.keys(found.attributes.metadata).length > 0
        && h("pre", {}, h("code", {}, JSON.stringify(found.attributes.metadata, null, 2)))],
    ])),
    section("Entitlements", {}, await attachments({ page, api, path: `${at}/entitlements`, kind: "entitlements", write,
      fixed: (each) => (fromPolicy.has(each.id) ? "from its policy" : null) })),
    section("Users", { lead: "Who may use it, besides whoever has the key." }, await attachments({ page, api, path: `${at}/users`,
      kind: "users", write, fixed: (each) => (each.id === owner ? "owner" : null) })),
    section("Tokens", { actions: may("licenses.tokens") ? [button("New token", async () => {
      if (await makeToken(api, found)) page.refresh();
    })] : [] }, await listing({ api, signal, path: `${at}/tokens`, caption: "Tokens of the license", columns: tokenColumns(page),
      empty: h("p", { class: "faint" }, "None. The key itself may be enough, as the policy says.") })),
    write && ending("Revoke the license", "Its key and tokens are worthless from then on.",
      button("Revoke", () => revoke(work), { kind: "danger" })),
  ];
}

function actions({ page, api, found, at, policy }) {
  const act = (word, done) => doing(async () => {
    await api.post(`${at}/actions/${word}`);
    tell(done);
    page.refresh();
  });
  const plain = (label, click) => h("button", { type: "button", on: { click } }, label);
  const suspended = found.attributes.suspended;
  return [
    may("licenses.write") && policy?.attributes.duration && found.attributes.expiry
      && plain("Renew", act("renew", "The license is renewed.")),
    may("licenses.support") && (suspended ? plain("Reinstate", act("reinstate", "The license works again."))
      : plain("Suspend", act("suspend", "The license is suspended: the very next request is refused."))),
  ];
}

async function edit({ page, api, found, at, policy, owner }) {
  const full = may("licenses.write");
  const product = related(found, "product");
  const [policies, users] = full ? await Promise.all([
    api.all("/policies", { query: { product } }), api.all("/users"),
  ]) : [[], []];
  const { name, expiry, metadata } = found.attributes;
  const done = await askForm({
    title: "License", button: "Save",
    fields: [
      { name: "name", label: "Name", value: name },
      { name: "expiry", label: "Ends", kind: "datetime", value: toInput(expiry), hint: "Empty: never." },
      ...(full ? [
        { name: "policy", label: "Policy", kind: "choice", value: policy?.id, pointer: "/data/relationships/policy",
          options: policies.map((each) => [each.id, each.attributes.name]) },
        { name: "owner", label: "Owner", kind: "choice", value: owner ?? "", pointer: "/data/relationships/owner",
          options: [["", "Nobody"], ...users.map((each) => [each.id, each.attributes.email])] },
      ] : []),
      metadataField(metadata),
    ],
    submit: async (values) => {
      // An input has no seconds: an expiry that was not touched stays to the millisecond.
      const ends = values.expiry === toInput(expiry) ? {} : { expiry: fromInput(values.expiry) };
      await api.patch(at, resource("licenses",
        { name: orNull(values.name), metadata: readMetadata(values.metadata), ...ends }));
      if (values.policy && values.policy !== policy?.id) {
        await api.put(`${at}/policy`, { data: { type: "policies", id: values.policy } });
      }
      if (full && values.owner !== owner) {
        await api.put(`${at}/owner`, { data: values.owner ? { type: "users", id: values.owner } : null });
      }
    },
  });
  if (done) {
    tell("Saved.");
    page.refresh();
  }
}

async function revoke({ api, found, at }) {
  const done = await confirm({
    title: "Revoke the license?", button: "Revoke it",
    text: `${found.attributes.name ?? "Its holder"} can install nothing with it any more. This cannot be undone.`,
    work: () => api.delete(`${at}/actions/revoke`),
  });
  if (done) {
    tell("The license is revoked.");
    go("/licenses");
  }
}
