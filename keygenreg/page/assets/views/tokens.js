/** All tokens that one may see. */

import { heading, tabs } from "../parts/pages.js";
import { listing, nothing } from "../parts/tables.js";
import { session } from "../session.js";
import { tokenColumns } from "./token_parts.js";

const KINDS = [["All", null], ["Products", "products"], ["Licenses", "licenses"], ["Users", "users"]];

export async function tokens(page) {
  const { api } = session();
  const kind = page.query.get("of");
  const address = (each) => (each ? `/tokens?of=${each}` : "/tokens");
  return [
    heading({ title: "Tokens",
      lead: "Who comes in with what. New tokens are made where they belong: at a product, license or user." }),
    tabs("Whose tokens", address(kind), KINDS.map(([label, each]) => [label, address(each)])),
    await listing({
      api, signal: page.signal, path: "/tokens", query: { "bearer[type]": kind ?? undefined }, caption: "Tokens",
      columns: tokenColumns(page, { bearer: true }), empty: nothing("No tokens", "Nobody has a token of this kind."),
    }),
  ];
}
