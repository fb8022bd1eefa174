/** Where the page begins: who is signed in, which view each address shows, and putting it on the screen. */

import { ApiError, Unreachable } from "./api.js";
import { fill, h } from "./dom.js";
import { tell, tellError } from "./parts/notices.js";
import * as router from "./router.js";
import { onChange, resume, session } from "./session.js";
import { shell } from "./shell.js";
import { account } from "./views/account.js";
import { entitlements } from "./views/entitlements.js";
import { failure } from "./views/failure.js";
import { license } from "./views/license.js";
import { licenses } from "./views/licenses.js";
import { newRelease } from "./views/new_release.js";
import { packageInstall, packageReleases, packageSettings } from "./views/package.js";
import { policies } from "./views/policies.js";
import { policy } from "./views/policy.js";
import { productLicensing, productPackages, productReleases, productSettings, productTokens } from "./views/product.js";
import { products } from "./views/products.js";
import { release } from "./views/release.js";
import { signIn } from "./views/sign_in.js";
import { tokens } from "./views/tokens.js";
import { user } from "./views/user.js";
import { users } from "./views/users.js";

const ROUTES = [
  ["/", products],
  ["/products", products],
  ["/products/:id", productPackages],
  ["/products/:id/releases", productReleases],
  ["/products/:id/licensing", productLicensing],
  ["/products/:id/tokens", productTokens],
  ["/products/:id/settings", productSettings],
  ["/packages/:id", packageReleases],
  ["/packages/:id/install", packageInstall],
  ["/packages/:id/settings", packageSettings],
  ["/new-release", newRelease],
  ["/releases/:id", release],
  ["/entitlements", entitlements],
  ["/policies", policies],
  ["/policies/:id", policy],
  ["/licenses", licenses],
  ["/licenses/:id", license],
  ["/users", users],
  ["/users/:id", user],
  ["/tokens", tokens],
  ["/account", account],
  ["/error", failure],
];

const page = document.getElementById("page");
let main = null;
let routing = false;

/** A view takes the place of the one before; a fresh one is announced by the focus on its heading. */
function show(node, fresh) {
  const scrolled = scrollY;
  fill(main.content, node);
  const title = main.content.querySelector("h1")?.dataset.title;
  document.title = title ? `${title} – keygenreg` : "keygenreg";
  main.mark(router.here());
  scrollTo(0, fresh ? 0 : scrolled);
  if (fresh) document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  // What had the focus is gone, where the view is another or the button that was pressed is not there any more.
  if (fresh || document.activeElement === document.body) main.content.querySelector("h1")?.focus({ preventScroll: true });
}

function begin(message) {
  if (message) tell(message);
  if (session() === null) {
    document.title = "Sign in – keygenreg";
    main = null;
    fill(page, signIn());
    return;
  }
  main = shell();
  fill(page, main.node);
  if (routing) router.go(router.here());
  else router.start(ROUTES, (node, fresh) => main && show(node, fresh));
  routing = true;
}

/** Nothing that fails stays unsaid: what no view has caught is an error of the page itself. */
addEventListener("unhandledrejection", (event) => failed(event.reason));
addEventListener("error", (event) => failed(event.error));

function failed(error) {
  const known = error instanceof ApiError || error instanceof Unreachable || error?.name === "AbortError";
  tellError(known ? error : new Error(`Something went wrong in this page: ${error?.message ?? error}`));
}

async function run() {
  onChange(begin);
  try {
    await resume();
  } catch (error) {
    if (!(error instanceof ApiError)) {
      fill(page, h("main", { id: "main", class: "alone" }, h("h1", {}, "keygenreg"), h("p", {}, error.message),
        h("button", { type: "button", class: "primary", on: { click: () => location.reload() } }, "Try again")));
      return;
    }
  }
  begin();
}

run();
