/** Uploads under way, whatever view is shown: a file becomes an artifact, its bytes follow, then the registry reads it. */

import { resource } from "./api.js";
import { session } from "./session.js";

const AT_ONCE = 2;
const FIRST_LOOK = 250;
const LONGEST_LOOK = 2500;
const DOUBLE_TYPES = ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"];

/** The file type that a name ends with; null without an extension. */
export function filetypeOf(filename) {
  const lower = filename.toLowerCase();
  const double = DOUBLE_TYPES.find((each) => lower.endsWith(`.${each}`));
  const at = lower.lastIndexOf(".");
  return double ?? (at > 0 && at < lower.length - 1 ? lower.slice(at + 1) : null);
}

/**
 * One file on its way. `state` is QUEUED, SENDING, PROCESSING, UPLOADED or FAILED; `sent` are bytes, `reason` says why
 * it failed. The registry knows the same states, but for the first and with WAITING for the second.
 */
class Upload {
  state = "QUEUED";
  sent = 0;
  reason = null;
  artifact = null;
  cancelled = false;
  #transfer = null;
  #ended = null;

  constructor(release, file, attributes, changed) {
    this.release = release;
    this.file = file;
    this.attributes = attributes;
    this.changed = changed;
    this.api = session().api;
  }

  get settled() {
    return this.state === "UPLOADED" || this.state === "FAILED";
  }

  /** Do it, to the good or bad end. */
  run() {
    this.#ended = this.#work();
    return this.#ended;
  }

  /** Stop; what the registry knows of it is taken back. */
  async cancel() {
    this.cancelled = true;
    this.#transfer?.abort();
    await this.#ended;
  }

  async #work() {
    try {
      this.#move("SENDING");
      await this.#send(await this.#create());
      await this.#follow();
    } catch (error) {
      if (this.cancelled && this.artifact) await this.api.delete(`/artifacts/${this.artifact.id}`).catch(() => {});
      this.reason = error.message;
      this.#move("FAILED");
    }
  }

  async #create() {
    const { file, release, attributes } = this;
    const type = filetypeOf(file.name);
    const document = resource("artifacts",
      { filename: file.name, filesize: file.size, ...(type ? { filetype: type } : {}), ...attributes },
      { release: { data: { type: "releases", id: release } } });
    // A browser would follow the registry's redirect by itself, with a body that says nothing of progress.
    const answer = await this.api.request("POST", "/artifacts", { document, headers: { Prefer: "no-redirect" } });
    this.artifact = answer.document.data;
    if (this.cancelled) throw new Error("It was cancelled.");
    return answer.headers.get("Location");
  }

  /** The body is the file itself, which the browser reads as it sends. */
  #send(location) {
    return new Promise((resolve, reject) => {
      const transfer = this.#transfer = new XMLHttpRequest();
      transfer.open("PUT", location);
      transfer.upload.addEventListener("progress", (event) => {
        this.sent = event.loaded;
        this.changed(this);
      });
      transfer.addEventListener("load", () => {
        if (transfer.status === 200) resolve();
        else reject(new Error(transfer.responseText.trim() || `The registry answered ${transfer.status}.`));
      });
      transfer.addEventListener("error", () => reject(new Error("The connection broke. Upload the file again.")));
      transfer.addEventListener("abort", () => reject(new Error("It was cancelled.")));
      transfer.send(this.file);
    });
  }

  async #follow() {
    for (let wait = 0; ; wait = Math.min(wait ? wait * 2 : FIRST_LOOK, LONGEST_LOOK)) {
      if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
      if (this.cancelled) throw new Error("It was cancelled.");
      this.artifact = await this.api.get(`/artifacts/${this.artifact.id}`, { headers: { Prefer: "no-download" } });
      const { status, failureReason } = this.artifact.attributes;
      if (status === "UPLOADED") return this.#move("UPLOADED");
      if (status === "FAILED") throw new Error(failureReason ?? "The registry refused the file.");
      if (status === "PROCESSING" && this.state !== "PROCESSING") this.#move("PROCESSING");
    }
  }

  #move(state) {
    this.state = state;
    this.changed(this);
  }
}

class Uploads {
  #all = [];
  #running = 0;
  #listeners = new Set();

  /** Begin to upload files to a release; at most two travel at the same time. */
  add(release, files, attributes = {}) {
    for (const file of files) {
      this.#all = this.#all.filter((each) => !(each.settled && each.release === release && each.file.name === file.name));
      this.#all.push(new Upload(release, file, attributes, (upload) => this.#tell(upload)));
    }
    this.#tell(this.#all.at(-1));
    this.#next();
  }

  of(release) {
    return this.#all.filter((each) => each.release === release);
  }

  get active() {
    return this.#all.filter((each) => !each.settled).length;
  }

  /** Calls `listener(upload)` on every change until the signal says no more. */
  watch(listener, signal) {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener));
  }

  async remove(upload) {
    this.#all = this.#all.filter((each) => each !== upload);
    if (!upload.settled) await upload.cancel();
  }

  /** Resolves when the registry has nothing of them any more, or has not said so after so many milliseconds. */
  cancelAll(patience) {
    const ended = Promise.allSettled([...this.#all].map((upload) => this.remove(upload)));
    return Promise.race([ended, new Promise((resolve) => setTimeout(resolve, patience))]);
  }

  #tell(upload) {
    for (const listener of this.#listeners) listener(upload);
  }

  async #next() {
    const waiting = this.#all.find((each) => each.state === "QUEUED");
    if (!waiting || this.#running >= AT_ONCE) return;
    this.#running += 1;
    const ran = waiting.run();
    this.#next();
    await ran;
    this.#running -= 1;
    this.#next();
  }
}

export const uploads = new Uploads();
