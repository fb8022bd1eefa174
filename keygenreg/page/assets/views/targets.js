/** For which machines files are: asked where an engine's clients choose by it. */

import { h } from "../dom.js";

const PLATFORMS = ["linux", "darwin", "windows", "android", "ios"];
const ARCHES = ["x86_64", "aarch64", "armv7", "i686", "universal"];
let count = 0;

/** `{ node, read }`: `read()` gives the attributes for artifacts; without an engine that needs them it starts folded. */
export function targetFields(engine) {
  const platform = choice("Platform", PLATFORMS, "linux");
  const arch = choice("Architecture", ARCHES, "x86_64");
  const node = h("details", { class: "targets", open: engine === "tauri" },
    h("summary", {}, "Platform and architecture of these files"),
    h("p", { class: "hint" }, engine === "tauri" ? "The updater asks for both. Upload the files of each platform by themselves."
      : "Optional facts, by which programs can choose among the files."),
    h("div", { class: "pair" }, platform.node, arch.node));
  return {
    node,
    read: () => Object.fromEntries([["platform", platform.read()], ["arch", arch.read()]].filter(([, value]) => value)),
  };
}

function choice(label, words, placeholder) {
  const id = `target-${count += 1}`;
  const input = h("input", { id, type: "text", class: "code", list: `${id}-list`, placeholder, autocomplete: "off",
    autocapitalize: "none", spellcheck: "false" });
  return {
    node: h("div", { class: "field" },
      h("label", { htmlFor: id }, label, " ", h("span", { class: "optional" }, "optional")), input,
      h("datalist", { id: `${id}-list` }, words.map((each) => h("option", { value: each })))),
    read: () => input.value.trim() || null,
  };
}
