/** A place for files: dropped there, or chosen. */

import { h, icon } from "../dom.js";

/** `take(files)` is called with an array of File; `hint` says which files are wanted. */
export function dropZone({ hint, take }) {
  const input = h("input", { type: "file", multiple: true, class: "spoken", "aria-label": "Choose files", on: {
    change: () => {
      const files = [...input.files];
      // The same file may be chosen again.
      input.value = "";
      if (files.length) take(files);
    },
  } });
  const zone = h("label", { class: "drop-zone", on: {
    dragover: (event) => {
      event.preventDefault();
      zone.classList.add("over");
    },
    dragleave: () => zone.classList.remove("over"),
    drop: (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      const files = filesOf(event.dataTransfer);
      if (files.length) take(files);
    },
  } }, icon("upload"), h("span", { class: "wanted" }, "Drop files here, or ", h("u", {}, "choose them")),
    hint && h("span", { class: "hint" }, hint), input);
  return zone;
}

/** What was dropped, without folders, which have no bytes. */
function filesOf(transfer) {
  return [...transfer.items].filter((item) => item.kind === "file" && !item.webkitGetAsEntry?.()?.isDirectory)
    .map((item) => item.getAsFile()).filter(Boolean);
}

/** A file that misses its place must not replace the page. */
for (const event of ["dragover", "drop"]) addEventListener(event, (missed) => missed.preventDefault());
