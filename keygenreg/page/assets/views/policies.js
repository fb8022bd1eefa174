/** Policies: terms that licenses share. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { day, duration } from "../format.js";
import { askForm } from "../parts/dialogs.js";
import { heading, button } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { AUTHENTICATION, EXPIRATION, EXPIRATION_BASIS, RENEWAL_BASIS, labelOf } from "../words.js";

const DAY = 86400;

export function policyColumns() {
  return [
    { label: "Name", kind: "main", cell: (each) => h("a", { href: `#/policies/${each.id}` }, each.attributes.name) },
    { label: "Lasts", cell: (each) => duration(each.attributes.duration) },
    { label: "Signs in with", cell: (each) => labelOf(AUTHENTICATION, each.attributes.authenticationStrategy) },
    { label: "Created", kind: "end", cell: (each) => day(each.attributes.created) },
  ];
}

/** The fields of a policy; `attributes` of one that is changed. */
export function policyFields(attributes = {}) {
  const choose = (name, label, options, fallback, hint) => ({ name, label, kind: "choice", hint,
    options: withKnown(options, attributes[name]), value: attributes[name] ?? fallback });
  return [
    { name: "name", label: "Name", required: true, value: attributes.name, placeholder: "One year" },
    choose("authenticationStrategy", "Licenses sign in with", AUTHENTICATION, "MIXED"),
    { name: "duration", label: "Days that a license lasts", kind: "number", short: true,
      value: attributes.duration ? attributes.duration / DAY : null, hint: "Empty: for ever." },
    choose("expirationStrategy", "After its expiry a license will", EXPIRATION, "RESTRICT_ACCESS"),
    choose("expirationBasis", "Its time starts", EXPIRATION_BASIS, "FROM_CREATION"),
    choose("renewalBasis", "A renewal counts", RENEWAL_BASIS, "FROM_EXPIRY"),
  ];
}

/** A value that this page has no words for stays what it is. */
function withKnown(options, value) {
  return value === undefined || options.some(([each]) => each === value) ? options : [...options, [value, value]];
}

/** What the fields say, as the API wants it. */
export function policyAttributes(values) {
  return { ...values, duration: values.duration === null ? null : Math.round(values.duration * DAY) };
}

export async function policies({ signal }) {
  const { api } = session();
  const write = may("policies.write");
  const create = () => makePolicy(api, null);
  return [
    heading({ title: "Policies", lead: "The terms that licenses share: how long they last, and how they sign in.",
      actions: write ? [button("New policy", create, { kind: "primary", symbol: "plus" })] : [] }),
    await listing({
      api, signal, path: "/policies", caption: "Policies", columns: policyColumns(),
      empty: nothing("No policies yet", "Every license is made under a policy of its product.",
        ...(write ? [button("Create the first policy", create, { kind: "primary" })] : [])),
    }),
  ];
}

/** Make a policy, of a product that is chosen if none is given, and go to it. */
export async function makePolicy(api, product) {
  const products = product ? [product] : await api.all("/products");
  const made = await askForm({
    title: "New policy", button: "Create",
    lead: products.length === 0 ? "There is no product yet; make one first." : null,
    fields: [
      ...(product ? [] : [{ name: "product", label: "Product", kind: "choice", required: true,
        pointer: "/data/relationships/product", options: products.map((each) => [each.id, each.attributes.name]) }]),
      ...policyFields(),
    ],
    submit: ({ product: chosen, ...values }) => {
      const attributes = policyAttributes(values);
      if (attributes.duration === null) delete attributes.duration;
      return api.post("/policies", resource("policies", attributes,
        { product: { data: { type: "products", id: product?.id ?? chosen } } }));
    },
  });
  if (made) go(`/policies/${made.id}`);
}
