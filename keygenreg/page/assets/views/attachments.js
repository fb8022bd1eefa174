/** What is attached to a license or policy: entitlements or users, as chips with a way to add and take away. */

import { h } from "../dom.js";
import { askForm } from "../parts/dialogs.js";
import { doing } from "../parts/notices.js";
import { button } from "../parts/pages.js";

const KINDS = {
  entitlements: { one: "an entitlement", place: "#/entitlements",
    label: ({ attributes }) => attributes.code, long: ({ attributes }) => `${attributes.name} (${attributes.code})` },
  users: { one: "a user", place: "#/users",
    label: ({ attributes }) => attributes.email, long: ({ attributes }) => attributes.email },
};

/**
 * The chips of a list at `path`. `fixed(record)` says why one cannot be taken away here, where that is so: "owner",
 * "from its policy".
 */
export async function attachments({ page, api, path, kind, write, fixed = () => null }) {
  const words = KINDS[kind];
  const [attached, all] = await Promise.all([
    api.all(path, { signal: page.signal }), write ? api.all(`/${kind}`, { signal: page.signal }) : [],
  ]);
  const here = new Set(attached.map((each) => each.id));
  const open = all.filter((each) => !here.has(each.id));
  return [
    attached.length > 0 ? h("ul", { class: "chips" }, attached.map(chip)) : h("p", { class: "faint" }, "None."),
    write && (open.length > 0 ? button(`Add ${words.one}`, add)
      : all.length === 0 && h("p", { class: "hint" }, `There is no ${kind.replace(/s$/, "")} yet: `,
        h("a", { href: words.place }, "make one"), ".")),
  ];

  function chip(record) {
    const label = words.label(record);
    const why = fixed(record);
    return h("li", { class: "chip" }, kind === "users" ? h("a", { href: `#/users/${record.id}` }, label) : label,
      why && h("span", { class: "faint" }, ` ${why}`),
      write && !why && h("button", { type: "button", class: "bare", "aria-label": `Take away ${label}`, on: {
        click: doing(async () => {
          await api.delete(path, { data: [{ type: kind, id: record.id }] });
          page.refresh();
        }) } }, "×"));
  }

  async function add() {
    const done = await askForm({
      title: `Add ${words.one}`, button: "Add",
      fields: [{ name: "chosen", label: kind === "users" ? "User" : "Entitlement", kind: "choice", pointer: "/data",
        options: open.map((each) => [each.id, words.long(each)]) }],
      submit: ({ chosen }) => api.post(path, { data: [{ type: kind, id: chosen }] }),
    });
    if (done) page.refresh();
  }
}
