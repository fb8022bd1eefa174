/** Forms: labelled fields from descriptions, and the API's errors beside the fields that they are about. */

import { ApiError, Unreachable } from "../api.js";
import { fill, h } from "../dom.js";
import { sentence } from "./notices.js";

let count = 0;

/**
 * A form.
 *
 * Each field is `{ name, label, kind, value, hint, required, options, pointer, placeholder, autocomplete, code }`: `kind`
 * is text, password, email, url, number, datetime, area, choice, check or many; `options` are `[value, label]` of a
 * choice or of many; `pointer` is where the API's errors point to, by default the attribute of that name. A field that
 * is a node takes its place as it is.
 *
 * `submit(values)` does the work and throws what went wrong; `button` names it, `kind` is its class. `extra` are nodes
 * beside the button.
 */
export function form({ fields, button, submit, extra = [], wide = false, kind = "primary" }) {
  const summary = h("div", { class: "summary", role: "alert", hidden: true });
  const inputs = fields.map((each) => (each instanceof Node ? { node: each } : field(each)));
  const submitter = h("button", { type: "submit", class: kind }, button);
  const element = h("form", { class: wide ? "form wide" : "form", novalidate: true, on: { submit: send } },
    summary, inputs.map((each) => each.node), h("div", { class: "buttons" }, submitter, extra));
  element.fields = Object.fromEntries(inputs.filter((each) => each.name).map((each) => [each.name, each]));

  async function send(event) {
    event.preventDefault();
    const known = Object.values(element.fields);
    for (const each of known) each.complain(each.missing() ? "This is needed." : "");
    if (focusFirst()) return;
    fill(summary).hidden = true;
    submitter.disabled = true;
    element.setAttribute("aria-busy", "true");
    try {
      await submit(Object.fromEntries(known.map((each) => [each.name, each.read()])));
    } catch (error) {
      complain(known, error);
    } finally {
      submitter.disabled = false;
      element.removeAttribute("aria-busy");
    }
  }

  function complain(known, error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof ApiError || error instanceof Unreachable || error.field)) throw error;
    const rest = [];
    for (const one of error.errors ?? [{ detail: error.message, source: { pointer: error.field } }]) {
      const pointer = one.source?.pointer ?? one.source?.header;
      const place = pointer && known.find((each) => pointer === each.pointer || pointer.startsWith(`${each.pointer}/`));
      if (place) place.complain(sentence(one.detail ?? one.title));
      else rest.push(h("p", {}, sentence(one.detail ?? one.title)));
    }
    if (rest.length) fill(summary, rest).hidden = false;
    focusFirst();
  }

  function focusFirst() {
    const wrong = element.querySelector("[aria-invalid=true]");
    wrong?.focus();
    return Boolean(wrong);
  }

  return element;
}

function field(given) {
  const { name, label, kind = "text", hint, required = false, pointer = `/data/attributes/${name}` } = given;
  const id = `field-${count += 1}`;
  const message = h("p", { class: "error", id: `${id}-error`, hidden: true });
  const says = [hint && `${id}-hint`, `${id}-error`].filter(Boolean).join(" ");
  const input = inputOf(given, id, says);
  const note = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  const optional = !required && !["check", "choice", "many"].includes(kind)
    && [" ", h("span", { class: "optional" }, "optional")];
  const node = kind === "check"
    ? h("div", { class: "field check" }, h("label", { htmlFor: id }, input.node, label), note, message)
    : kind === "many"
      ? h("fieldset", { class: "field" }, h("legend", {}, label), input.node, note, message)
      : h("div", { class: `field${given.short ? " short" : ""}` },
        h("label", { htmlFor: id }, label, optional), input.node, note, message);
  const control = input.control ?? input.node;
  return {
    name, node, pointer, control,
    read: input.read,
    set: (value) => { control.value = value; },
    missing: () => required && !String(input.read() ?? "").trim(),
    complain(text) {
      message.textContent = text;
      message.hidden = !text;
      if (text) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    },
  };
}

function inputOf({ name, kind = "text", value, options, placeholder, autocomplete, required, code, rows }, id, says) {
  const common = { id, name, required, "aria-describedby": says, class: code ? "code" : null };
  if (kind === "area") {
    const node = h("textarea", { ...common, rows: rows ?? 5, placeholder, value: value ?? "" });
    return { node, read: () => node.value };
  }
  if (kind === "choice") {
    const node = h("select", common, options.map(([key, text]) => h("option", { value: key ?? "" }, text)));
    node.value = value ?? "";
    if (node.selectedIndex < 0) node.selectedIndex = 0;
    return { node, read: () => node.value || null };
  }
  if (kind === "check") {
    const node = h("input", { ...common, type: "checkbox", checked: Boolean(value), required: false });
    return { node, read: () => node.checked };
  }
  if (kind === "many") {
    const boxes = options.map(([key, text]) => h("input", { type: "checkbox", value: key, "aria-label": text,
      checked: (value ?? []).includes(key) }));
    const node = h("div", { class: "many" }, boxes.map((box, n) => h("label", {}, box, options[n][1])));
    return { node, control: boxes[0] ?? node, read: () => boxes.filter((box) => box.checked).map((box) => box.value) };
  }
  const types = { datetime: "datetime-local", number: "number", password: "password", email: "email", url: "url" };
  const node = h("input", { ...common, type: types[kind] ?? "text", placeholder, value: value ?? "",
    autocomplete: autocomplete ?? "off", spellcheck: code || kind !== "text" ? "false" : null,
    autocapitalize: "none", step: kind === "datetime" ? "60" : null });
  if (kind === "number") return { node, read: () => (node.value === "" ? null : Number(node.value)) };
  return { node, read: () => node.value };
}

/** What an input without any text means to the API: nothing. */
export function orNull(text) {
  return text === "" || text === undefined ? null : text;
}

/** Only those attributes that say something: a new record does not name the others. */
export function said(attributes) {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null && value !== ""));
}

/** The field of a record's metadata: a JSON object, which engines and your own programs read. */
export function metadataField(metadata) {
  return { name: "metadata", label: "Metadata", kind: "area", code: true, rows: 4,
    value: Object.keys(metadata ?? {}).length ? JSON.stringify(metadata, null, 2) : "", hint: "A JSON object." };
}

export function readMetadata(text) {
  if (!text.trim()) return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw Object.assign(new Error(`This is no JSON: ${error.message}`), { field: "/data/attributes/metadata" });
  }
}
