/** Short messages in a corner, which screen readers speak: what has been done, or what went wrong. */

import { h, icon } from "../dom.js";

const SECONDS = 6;

/** Something was done. */
export function tell(text) {
  put(text, "good", SECONDS * 1000);
}

/** Something could not be done; stays until it is closed. `error` is what was thrown. */
export function tellError(error) {
  if (error.name === "AbortError" || error.ended) return;
  const id = error.requestId && error.status >= 500 ? ` (request ${error.requestId})` : "";
  put(`${sentence(error.message)}${id}`, "bad", null);
}

/** Runs what a button does; failures are told. The button is out of use meanwhile. */
export function doing(work) {
  return async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await work(event);
    } catch (error) {
      tellError(error);
    } finally {
      button.disabled = false;
    }
  };
}

/** Words of the API as a sentence of their own. */
export function sentence(text) {
  const words = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

function put(text, kind, milliseconds) {
  const notice = h("div", { class: `notice ${kind}` }, h("p", {}, text),
    h("button", { type: "button", class: "bare", "aria-label": "Close", on: { click: () => notice.remove() } },
      icon("cross")));
  // A dialog lies above everything else in the page, so what is told while one is open has its place in it.
  const place = document.querySelector("dialog[open] .notices") ?? document.getElementById("notices");
  // What was done before has been seen; what went wrong stays.
  if (kind === "good") place.querySelectorAll(".good").forEach((each) => each.remove());
  place.append(notice);
  if (milliseconds) setTimeout(() => notice.remove(), milliseconds);
}
