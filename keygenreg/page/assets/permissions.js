/** Which buttons are worth drawing for a role; the registry decides, whatever is drawn. */

import { session } from "./session.js";

const MANAGERS = ["admin", "developer", "environment"];
const WRITERS = [...MANAGERS, "product"];
const LICENSORS = [...WRITERS, "sales-agent"];
const SUPPORT = [...LICENSORS, "support-agent"];

const ROLES = {
  "products.manage": MANAGERS,
  "products.update": WRITERS,
  "products.tokens": MANAGERS,
  "catalogue.write": WRITERS,
  "entitlements.write": MANAGERS,
  "policies.write": LICENSORS,
  "policies.delete": WRITERS,
  "licenses.write": LICENSORS,
  "licenses.support": SUPPORT,
  "licenses.tokens": LICENSORS,
  "users.write": LICENSORS,
  "users.delete": WRITERS,
  "users.ban": [...SUPPORT],
  "users.role": ["admin"],
  "users.password": MANAGERS,
  "users.tokens": WRITERS,
  "environments.read": ["admin", "developer"],
};

/** Whether whoever is signed in may do something, as far as roles tell. */
export function may(action) {
  return ROLES[action].includes(session()?.role);
}
