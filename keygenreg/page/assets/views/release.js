/** One release: its files, its notes, whom it is for, and when it is public. */

import { ApiError, related, resource } from "../api.js";
import { h } from "../dom.js";
import { fromInput, moment, plural, toInput } from "../format.js";
import { askForm, confirm } from "../parts/dialogs.js";
import { metadataField, orNull, readMetadata } from "../parts/form.js";
import { doing, tell, tellError } from "../parts/notices.js";
import { badge, button, ending, facts, heading, linkButton, section } from "../parts/pages.js";
import { may } from "../permissions.js";
import { go } from "../router.js";
import { session } from "../session.js";
import { engineName } from "../words.js";
import { constraints } from "./constraints.js";
import { files } from "./files.js";
import { packageField } from "./new_release.js";

export async function release(page) {
  const { api } = session();
  const { signal } = page;
  const found = await api.get(`/releases/${encodeURIComponent(page.params.id)}`, { signal });
  const packageId = related(found, "package");
  const [product, item] = await Promise.all([
    api.find(`/products/${related(found, "product")}`, { signal }),
    packageId && api.find(`/packages/${packageId}`, { signal }),
  ]);
  const write = may("catalogue.write");
  const uploaded = await files({ page, api, release: found, engine: item?.attributes.engine, write });
  const work = { page, api, found, item, product, uploaded };
  return [
    heading({
      title: item ? `${item.attributes.name} ${found.attributes.version}` : found.attributes.version,
      crumbs: [["Products", "/products"], ...(product ? [[product.attributes.name, `/products/${product.id}`]] : []),
        ...(item ? [[item.attributes.name, `/packages/${item.id}`]] : [])],
      beside: [badge(found.attributes.status), found.attributes.channel !== "stable" && badge(found.attributes.channel, "calm"),
        found.attributes.tag && h("code", {}, found.attributes.tag)],
      actions: write ? actions(work) : [],
    }),
    state(work),
    section("Files", {}, uploaded.node),
    section("Details", { actions: write ? [button("Edit", () => edit(work))] : [] }, about(found, item)),
    section("Who may have it", {}, await constraints({ page, api, release: found, write, product })),
    write && ending("Delete the release",
      "As if it had never been: its files go, and its version may be used again.",
      button("Delete", () => remove(work), { kind: "danger" })),
  ];
}

function actions(work) {
  const { status } = work.found.attributes;
  const tag = button(work.found.attributes.tag ? "Change tag" : "Tag", () => setTag(work));
  if (status === "PUBLISHED") {
    return [tag, button("Yank", () => yank(work), { kind: "danger" })];
  }
  return [tag, h("button", { type: "button", class: "primary", on: { click: doing(() => publish(work)) } },
    status === "DRAFT" ? "Publish" : "Publish again")];
}

/** One sentence on where the release stands, and the next step. */
function state({ found, item }) {
  const { status } = found.attributes;
  if (status === "DRAFT") {
    return h("p", { class: "note" }, "A draft: only you see it. Add its files, then publish it.");
  }
  if (status === "YANKED") {
    return h("p", { class: "note bad" }, `Yanked ${moment(found.attributes.yanked)}: new installations do not get it.`);
  }
  return h("div", { class: "note good" }, h("p", {}, "Published: whoever may have it can install it now."),
    item && linkButton("How customers install it", `/packages/${item.id}/install`));
}

function about(found, item) {
  const { name, description, tag, channel, backdated, created, metadata, version } = found.attributes;
  return [
    facts([
      ["Name", name], ["Version", version], ["Channel", channel], ["Tag", tag && h("code", {}, tag)],
      ["Package", item ? h("a", { href: `#/packages/${item.id}` },
        `${item.attributes.key} (${engineName(item.attributes.engine)})`)
        : "none"],
      ["Created", moment(created)], ["Dated", backdated && moment(backdated)],
      ["Metadata", Object.keys(metadata).length > 0 && h("pre", {}, h("code", {}, JSON.stringify(metadata, null, 2)))],
    ]),
    description ? h("div", { class: "notes" }, description) : h("p", { class: "faint" }, "No notes."),
  ];
}

async function publish({ page, api, found, uploaded }) {
  const { pending, failed, ready } = uploaded.count();
  const doubts = [
    pending > 0 && `${plural(pending, "file")} not ready yet`, failed > 0 && `${plural(failed, "file")} failed`,
    ready === 0 && "no file that customers could get",
  ].filter(Boolean);
  const work = () => api.post(`/releases/${found.id}/actions/publish`);
  if (doubts.length) {
    const done = await confirm({ title: "Publish it as it is?", button: "Publish", danger: false,
      text: `There is ${doubts.join(", ")}. Files may be added later, too.`, work });
    if (!done) return;
  } else {
    await work();
  }
  tell(`${found.attributes.version} is published.`);
  page.refresh();
}

async function yank({ page, api, found }) {
  const done = await confirm({
    title: `Yank ${found.attributes.version}?`, button: "Yank it",
    text: "New installations do not get it; clients that ask for exactly this version are told. It can be published again.",
    work: () => api.post(`/releases/${found.id}/actions/yank`),
  });
  if (done) page.refresh();
}

async function setTag({ page, api, found }) {
  const path = `/releases/${found.id}`;
  const change = (tag, query) => api.patch(path, resource("releases", { tag }), { query });
  const done = await askForm({
    title: "Tag", button: "Save", lead: "A second name of the release. Another release of the package gives it up.",
    fields: [{ name: "tag", label: "Tag", value: found.attributes.tag, code: true, placeholder: "latest",
      hint: "Empty: no tag." }],
    submit: async ({ tag }) => {
      try {
        await change(orNull(tag.trim()));
      } catch (error) {
        if (!(error instanceof ApiError && error.code === "TAG_TAKEN")) throw error;
        const moved = await confirm({ title: "Move the tag here?", button: "Move it", danger: false,
          text: `Another release is tagged ${tag.trim()}. It loses the tag in the same moment.`,
          work: () => change(tag.trim(), { move: "true" }) });
        if (!moved) throw error;
      }
    },
  });
  if (done) page.refresh();
}

async function edit({ page, api, found, item, product }) {
  const { name, description, backdated, metadata } = found.attributes;
  const packages = await api.all("/packages", { query: { product: product?.id } });
  const done = await askForm({
    title: "Details of the release", button: "Save", wide: true,
    fields: [
      { name: "name", label: "Name", value: name },
      { name: "description", label: "Notes", kind: "area", rows: 6, value: description },
      { name: "backdated", label: "Dated", kind: "datetime", value: toInput(backdated),
        hint: "When it came out, if that was before it came here. Licenses that have expired keep what is older." },
      packageField(packages, item?.id ?? ""),
      metadataField(metadata),
    ],
    submit: async (values) => {
      const dated = values.backdated === toInput(backdated) ? {} : { backdated: fromInput(values.backdated) };
      await api.patch(`/releases/${found.id}`, resource("releases", {
        name: orNull(values.name), description: orNull(values.description), metadata: readMetadata(values.metadata), ...dated }));
      if ((values.package ?? "") !== (item?.id ?? "")) {
        const inside = values.package ? { type: "packages", id: values.package } : null;
        await api.put(`/releases/${found.id}/package`, { data: inside });
      }
    },
  });
  if (done) {
    tell("Saved.");
    page.refresh();
  }
}

async function remove({ api, found, item, product }) {
  const done = await confirm({
    title: `Delete ${found.attributes.version}?`, button: "Delete the release", word: found.attributes.version,
    text: "Its files are gone for everybody, also for those who have it in their lock files. This cannot be undone.",
    work: () => api.delete(`/releases/${found.id}`),
  }).catch(tellError);
  if (!done) return;
  tell(`${found.attributes.version} is deleted.`);
  go(item ? `/packages/${item.id}` : product ? `/products/${product.id}/releases` : "/products");
}
