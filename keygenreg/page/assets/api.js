/** A client of the JSON:API. Credentials travel in headers only, never in addresses. */

const JSON_API = "application/vnd.api+json";
const LONG_PAGE = 100;

/**
 * What the registry answered instead of what was wanted. `errors` are those of the error document, at least one; `ended`
 * is whether the session is over.
 */
export class ApiError extends Error {
  constructor(status, errors, requestId) {
    super(errors[0].detail || errors[0].title);
    this.status = status;
    this.errors = errors;
    this.requestId = requestId;
    this.ended = false;
  }

  get code() {
    return this.errors[0].code;
  }
}

/** No answer came at all. */
export class Unreachable extends Error {
  constructor() {
    super("The registry does not answer. Check the connection and try again.");
  }
}

/** A link to a record, as relationships hold it. */
export function linkage(record) {
  return record ? { data: { type: record.type, id: record.id } } : { data: null };
}

/** The id that a relationship of a record leads to, or null. */
export function related(record, name) {
  return record.relationships[name]?.data?.id ?? null;
}

/** A document to send: one resource object. */
export function resource(type, attributes, relationships) {
  return { data: { type, attributes, ...(relationships ? { relationships } : {}) } };
}

/**
 * The API of one account.
 *
 * `account` is its id or slug, null where the registry has one account only; `ended` is called when the token has
 * become worthless.
 */
export class Api {
  constructor({ account = null, token = null, environment = null, ended = () => {} } = {}) {
    this.base = account === null ? "/v1" : `/v1/accounts/${encodeURIComponent(account)}`;
    this.token = token;
    this.environment = environment;
    this.ended = ended;
  }

  /**
   * Ask, and give `{ status, headers, document }`.
   *
   * Paths are below the account and have their parts encoded already; a query's values may be lists. Throws ApiError
   * and Unreachable, and what an AbortSignal throws.
   */
  async request(method, path, { query, document, headers = {}, signal, authorization } = {}) {
    const sent = { Accept: JSON_API, ...headers };
    if (document !== undefined) sent["Content-Type"] = JSON_API;
    if (authorization || this.token) sent.Authorization = authorization ?? `Bearer ${this.token}`;
    if (this.environment) sent["Keygen-Environment"] = this.environment;
    const address = (path.startsWith("/v1/") ? path : this.base + path) + queryText(query);
    let answer, text;
    try {
      answer = await fetch(address, {
        method, headers: sent, signal, body: document === undefined ? undefined : JSON.stringify(document),
        credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
      });
      text = await answer.text();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Unreachable();
    }
    const found = parse(text);
    if (!answer.ok) throw this.#refused(answer, found, authorization);
    return { status: answer.status, headers: answer.headers, document: found };
  }

  #refused(answer, document, authorization) {
    const errors = document?.errors?.length ? document.errors : [{ title: `The registry answered ${answer.status}.` }];
    const error = new ApiError(answer.status, errors, answer.headers.get("X-Request-Id"));
    // A 401 that points into the document is about a password in it, not about the token.
    error.ended = answer.status === 401 && !authorization && this.token !== null && !errors[0].source?.pointer;
    if (error.ended) this.ended();
    return error;
  }

  async get(path, options) {
    return (await this.request("GET", path, options)).document.data;
  }

  /** As `get`; null where there is nothing, or nothing that this bearer may know of. */
  async find(path, options) {
    try {
      return await this.get(path, options);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  }

  async send(method, path, document, options = {}) {
    return (await this.request(method, path, { document, ...options })).document?.data ?? null;
  }

  post(path, document, options) {
    return this.send("POST", path, document, options);
  }

  patch(path, document, options) {
    return this.send("PATCH", path, document, options);
  }

  put(path, document, options) {
    return this.send("PUT", path, document, options);
  }

  delete(path, document, options) {
    return this.send("DELETE", path, document, options);
  }

  /** One page of a list, newest first: `{ data, next }`; `next` goes into `more`, and is null at the end. */
  async list(path, { query = {}, size = 25, signal } = {}) {
    const paged = { ...query, "page[cursor]": "", "page[size]": size };
    return slice((await this.request("GET", path, { query: paged, signal })).document);
  }

  async more(next, signal) {
    return slice((await this.request("GET", next, { signal })).document);
  }

  /** All records of a list, for choosing among them: at most a thousand. */
  async all(path, { query, signal } = {}) {
    let page = await this.list(path, { query, size: LONG_PAGE, signal });
    const found = [...page.data];
    while (page.next !== null && found.length < 1000) {
      page = await this.more(page.next, signal);
      found.push(...page.data);
    }
    return found;
  }
}

function slice(document) {
  return { data: document.data, next: document.links?.next ?? null };
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function queryText(query) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) parts.append(name, one);
    }
  }
  const text = parts.toString();
  return text && `?${text}`;
}
