/** Elements made from values. Text stays text, whatever it holds: nothing here reads markup. */

const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "readOnly", "required", "hidden", "open",
  "multiple", "tabIndex", "htmlFor", "textContent"]);
const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children.
 *
 * `on` holds listeners by event, `data` dataset values; null and false leave an attribute out. Children are nodes,
 * texts, arrays of them, or nothing (null, undefined, false).
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (PROPERTIES.has(name)) {
      element[name] = value;
    } else if (name === "href") {
      element.setAttribute("href", safeAddress(value));
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.append(child);
  }
}

/** Takes the place of all that an element holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/** An address that a link may lead to: within the page, or on the web. Everything else leads nowhere. */
function safeAddress(text) {
  return /^(#|https?:\/\/)/i.test(text) ? text : "#";
}

/** A link to another site, or its text alone where it is no address of one. */
export function outside(text) {
  if (!/^https?:\/\//i.test(text)) return text;
  return h("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, text);
}

const ICONS = {
  box: "M12 3 20 7.4v9.2L12 21l-8-4.4V7.4zM4 7.4l8 4.4 8-4.4M12 11.8V21",
  key: "M14.5 9.5a4.5 4.5 0 1 0-3.2 4.3l1.5 1.5h2v2h2v2H20v-3.2l-5.9-5.9c.3-.2.4-.5.4-.7zM9 9h.01",
  badge: "m12 3 2.4 2 3.1-.3.7 3.1 2.5 1.9-1.3 2.8 1.3 2.8-2.5 1.9-.7 3.1-3.1-.3L12 22l-2.4-2-3.1.3-.7-3.1-2.5-1.9"
    + " 1.3-2.8-1.3-2.8 2.5-1.9.7-3.1 3.1.3zM9 12.5l2 2 4-4",
  rules: "M6 3h9l4 4v14H6zM9 10h7M9 14h7M9 18h4",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3 20c0-3.3 2.7-6 6-6s6 2.7 6 6M16 4.5a3.5 3.5 0 0 1 0 6.3M18 14.6c"
    + "1.8.9 3 3 3 5.4",
  lock: "M6 11h12v10H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  upload: "M12 16V5M7.5 9 12 4.5 16.5 9M5 16v4h14v-4",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "m5 12.5 4.5 4.5L19 7.5",
  plus: "M12 5v14M5 12h14",
  cross: "M6 6l12 12M18 6 6 18",
  menu: "M4 7h16M4 12h16M4 17h16",
  right: "m9 6 6 6-6 6",
};

/** A drawing that says nothing by itself. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
