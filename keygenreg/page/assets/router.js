/** From the address after "#" to a view, and back. Only the newest view is ever shown. */

import { ApiError } from "./api.js";

let routes = [];
let show = () => {};
let running = null;

/**
 * Begin to follow the address.
 *
 * `table` holds `[pattern, view]`, such as `["/packages/:id", view]`; a view is `async (page) => Node` with
 * `page.params`, `page.query` (URLSearchParams), `page.signal`, and `page.refresh()`. `shown(node, fresh)` puts it on
 * the screen; `fresh` is false for the same address looked at again.
 */
export function start(table, shown) {
  routes = table.map(([pattern, view]) => [pattern.split("/"), view]);
  show = shown;
  addEventListener("hashchange", () => render(true));
  return render(true);
}

/** The path of the address. */
export function here() {
  return location.hash.slice(1).split("?")[0] || "/";
}

export function go(path) {
  if (location.hash === `#${path}`) return render(true);
  location.hash = path;
}

/** Look at the same address again, for what has changed. */
export function refresh() {
  return render(false);
}

async function render(fresh) {
  running?.abort();
  const turn = running = new AbortController();
  const [path, query] = (location.hash.slice(1) || "/").split("?");
  const [view, params] = match(path);
  const page = { params, query: new URLSearchParams(query), signal: turn.signal, refresh, path };
  let node;
  try {
    node = await view(page);
  } catch (error) {
    if (turn.signal.aborted || error.name === "AbortError") return;
    if (error instanceof ApiError && error.ended) return;
    node = await match("/error")[0]({ ...page, error });
  }
  if (!turn.signal.aborted) show(node, fresh);
}

function match(path) {
  const parts = path.split("/");
  for (const [pattern, view] of routes) {
    if (pattern.length !== parts.length) continue;
    const params = {};
    const fits = pattern.every((part, n) => {
      if (!part.startsWith(":")) return part === parts[n];
      params[part.slice(1)] = decoded(parts[n]);
      return parts[n] !== "";
    });
    if (fits) return [view, params];
  }
  return match("/error");
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
