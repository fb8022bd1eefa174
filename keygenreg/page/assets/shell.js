/** The frame around every view: the ways to all parts of the account, and who is signed in. */

import { fill, h, icon } from "./dom.js";
import { confirm } from "./parts/dialogs.js";
import { doing } from "./parts/notices.js";
import { may } from "./permissions.js";
import { enter, PATIENCE, session, signOut } from "./session.js";
import { uploads } from "./uploads.js";

const PLACES = [
  ["Publishing", [["Products", "/products", "box", ["/products", "/packages", "/releases", "/new-release"]]]],
  ["Licensing", [
    ["Licenses", "/licenses", "key"],
    ["Policies", "/policies", "rules"],
    ["Entitlements", "/entitlements", "badge"],
    ["Users", "/users", "people"],
  ]],
  ["Access", [["Tokens", "/tokens", "lock"]]],
];

/** `{ node, content, mark }`: `content` takes the view, `mark(path)` shows where it is among the places. */
export function shell() {
  const links = [];
  const groups = PLACES.map(([title, places]) => h("div", { class: "group" }, h("p", {}, title),
    h("ul", {}, places.map(([label, path, symbol, below = [path]]) => {
      const link = h("a", { href: `#${path}` }, icon(symbol), label);
      links.push([link, below]);
      return h("li", {}, link);
    }))));
  const who = h("div", { class: "who" });
  const menu = h("nav", { id: "menu", "aria-label": "Account" }, groups, who);
  const opener = h("button", { type: "button", class: "bare opener", "aria-expanded": "false", "aria-controls": "menu",
    "aria-label": "Menu", on: { click: () => open(opener.getAttribute("aria-expanded") !== "true") } }, icon("menu"));
  const content = h("main", { id: "main" });
  const node = h("div", { class: "frame" },
    h("div", { class: "side" },
      h("div", { class: "brand" }, h("a", { href: "#/products" },
        h("span", { class: "mark", "aria-hidden": "true" }, icon("box")), "keygenreg"), opener),
      menu),
    content);
  fill(who, signedIn());

  function open(wanted) {
    opener.setAttribute("aria-expanded", String(wanted));
    menu.classList.toggle("open", wanted);
  }

  function mark(path) {
    open(false);
    const here = path === "/" ? "/products" : path;
    for (const [link, below] of links) {
      if (below.some((each) => here === each || here.startsWith(`${each}/`))) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  return { node, content, mark };
}

function signedIn() {
  const { bearer, role, account, api } = session();
  const name = bearer.attributes.email ?? bearer.attributes.name ?? bearer.attributes.code ?? bearer.type;
  const chooser = h("div", { class: "environment" });
  if (may("environments.read") || session().environment) showEnvironments(chooser, api);
  return [
    chooser,
    h("a", { href: "#/account", class: "me" }, h("strong", {}, name),
      h("span", {}, account ? `${role} of ${account}` : role)),
    h("button", { type: "button", on: { click: doing(leave) } }, "Sign out"),
  ];
}

async function leave() {
  if (uploads.active > 0 && !await confirm({ title: "Sign out?", button: "Sign out",
    text: "Files are being uploaded. Signing out ends that.", work: () => {} })) return;
  await uploads.cancelAll(PATIENCE);
  // Whoever signs in next begins at the beginning, and finds no ids in the address.
  history.replaceState(null, "", "#/products");
  await signOut();
}

/**
 * Where an account has shared environments, one chooses here which of them is worked in. Isolated ones take a token of
 * their own.
 */
async function showEnvironments(place, api) {
  const inside = session().environment ?? "";
  const all = await api.all("/environments").catch(() => []);
  const found = all.filter((each) => each.attributes.isolationStrategy === "SHARED");
  if (found.length === 0 && !inside) return;
  const codes = new Set([...found.map((each) => each.attributes.code), ...(inside ? [inside] : [])]);
  const select = h("select", { id: "environment", on: { change: doing(choose) } },
    h("option", { value: "" }, "No environment"), [...codes].map((code) => h("option", { value: code }, code)));
  select.value = inside;
  fill(place, h("label", { htmlFor: "environment" }, "Environment"), select);

  async function choose() {
    // What is looked at now is of the environment that is left.
    history.replaceState(null, "", "#/products");
    try {
      await enter(select.value || null);
    } catch (error) {
      select.value = inside;
      throw error;
    }
  }
}

addEventListener("beforeunload", (event) => {
  if (uploads.active > 0) event.preventDefault();
});
