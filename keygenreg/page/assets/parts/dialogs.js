/** Questions above the page: forms, confirmations, and secrets that are shown once. */

import { fill, h, icon } from "../dom.js";
import { codeBlock } from "./copying.js";
import { form } from "./form.js";
import { doing } from "./notices.js";

/** Opens a dialog; `make(close)` gives what it holds. The promise fires with what `close` is given. */
export function openDialog(title, make, { wide = false } = {}) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: wide ? "wide" : null, "aria-labelledby": "dialog-title" });
    let outcome;
    const close = (value) => {
      outcome = value;
      dialog.close();
    };
    const head = h("header", {}, h("h2", { id: "dialog-title" }, title),
      h("button", { type: "button", class: "bare", "aria-label": "Close", on: { click: () => close() } }, icon("cross")));
    fill(dialog, head, make(close), h("div", { class: "notices", role: "status" }));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(outcome);
    });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("input, textarea, select")?.focus();
  });
}

/** A form in a dialog. `submit(values)` does the work; the promise fires with what it gave, undefined if nothing came. */
export function askForm({ title, lead, fields, button, submit, wide }) {
  return openDialog(title, (close) => [
    lead && h("p", { class: "lead" }, lead),
    form({
      fields, button,
      submit: async (values) => close((await submit(values)) ?? true),
      extra: [h("button", { type: "button", on: { click: () => close() } }, "Cancel")],
    }),
  ], { wide });
}

/**
 * Asks before something that cannot be undone. `word` has to be typed first, where it is given. `work` is done while
 * the dialog is open; the promise fires with true when it was.
 */
export function confirm({ title, text, button, word, danger = true, work }) {
  return openDialog(title, (close) => {
    const action = h("button", { type: "button", class: danger ? "danger" : "primary", disabled: Boolean(word),
      on: { click: doing(async () => {
        await work();
        close(true);
      }) } }, button);
    const typed = word && h("input", { type: "text", id: "confirm-word", autocomplete: "off", spellcheck: "false",
      on: { input: (event) => { action.disabled = event.target.value.trim() !== word; } } });
    return [
      h("p", {}, text),
      word && h("div", { class: "field" }, h("label", { htmlFor: "confirm-word" }, "Type ", h("code", {}, word), " to go on"),
        typed),
      h("div", { class: "buttons" }, action, h("button", { type: "button", on: { click: () => close() } }, "Cancel")),
    ];
  });
}

/** Shows a secret: nobody can see it again. */
export function showSecret(title, text, secret) {
  return openDialog(title, (close) => [
    h("p", {}, text),
    codeBlock(secret, "Copy the token"),
    h("div", { class: "buttons" },
      h("button", { type: "button", class: "primary", on: { click: () => close() } }, "I have kept it")),
  ]);
}
