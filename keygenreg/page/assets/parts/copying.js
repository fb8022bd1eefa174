/** Texts to be taken elsewhere: shown in full, with a button that copies them. */

import { fill, h, icon } from "../dom.js";

/** A block of text to copy. `label` says what the button copies. */
export function codeBlock(text, label = "Copy") {
  const code = h("code", {}, text);
  return h("div", { class: "code-block" }, h("pre", { tabIndex: 0 }, code), copyButton(() => code.textContent, code, label));
}

/** A short text to copy, within a line. */
export function codeLine(text, label = "Copy") {
  const code = h("code", {}, text);
  return h("span", { class: "code-line" }, code, copyButton(() => text, code, label));
}

function copyButton(read, shown, label) {
  const button = h("button", { type: "button", class: "copy", "aria-label": label, title: label, on: { click: copy } },
    icon("copy"));

  async function copy() {
    const done = await put(read(), shown);
    fill(button, icon(done ? "check" : "cross"), h("span", { class: "spoken", role: "status" },
      done ? "Copied" : "Select it"));
    setTimeout(() => fill(button, icon("copy")), 2000);
  }

  return button;
}

/** Pages that came over plain HTTP may not use the clipboard by itself: there the text is selected and copied as of old. */
async function put(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(shown);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }
}
