/** The files of a release: those on their way with their progress, and those that are here with their status. */

import { fill, h, icon } from "../dom.js";
import { plural, size } from "../format.js";
import { confirm } from "../parts/dialogs.js";
import { dropZone } from "../parts/drop_zone.js";
import { doing, sentence, tellError } from "../parts/notices.js";
import { badge, button } from "../parts/pages.js";
import { uploads } from "../uploads.js";
import { FILE_HINTS } from "../words.js";
import { fileDetails } from "./file_details.js";
import { targetFields } from "./targets.js";

const FIRST_LOOK = 2000;
const LONGEST_LOOK = 30000;

/** `{ node, count }`: `count()` gives how many files are ready, pending and failed. */
export async function files({ page, api, release, engine, write }) {
  const path = `/releases/${release.id}/artifacts`;
  const targets = targetFields(engine);
  const list = h("ul", { class: "files" });
  const total = h("p", { class: "total", role: "status" });
  const bars = new Map();
  let artifacts = await api.all(path, { signal: page.signal });
  let timer = null;
  let wait = FIRST_LOOK;
  let looks = 0;

  settle();
  uploads.watch(changed, page.signal);
  page.signal.addEventListener("abort", () => clearTimeout(timer));
  draw();

  const node = h("div", {},
    write && dropZone({ hint: FILE_HINTS[engine], take: (found) => uploads.add(release.id, found, targets.read()) }),
    write && targets.node, list, total);
  return { node, count };

  /** Progress moves a bar; every other change draws the list anew. */
  function changed(upload) {
    if (upload.release !== release.id) return;
    const bar = bars.get(upload);
    if (bar && bar.state === upload.state) {
      bar.show(upload);
      return;
    }
    draw();
    if (upload.settled) reload();
  }

  async function reload() {
    clearTimeout(timer);
    const look = looks += 1;
    let found;
    try {
      found = await api.all(path, { signal: page.signal });
    } catch (error) {
      tellError(error);
      return;
    }
    // Answers may overtake each other: what was asked last is the newest.
    if (look !== looks) return;
    artifacts = found;
    settle();
    draw();
  }

  /** What has arrived is an artifact like any other from then on. */
  function settle() {
    const here = new Set(artifacts.map((each) => each.id));
    for (const each of uploads.of(release.id)) {
      if (each.state === "UPLOADED" && here.has(each.artifact.id)) uploads.remove(each);
    }
  }

  /** What is on its way, and the artifacts beside it: without those that are the same, or make way for it. */
  function split() {
    const moving = uploads.of(release.id);
    const same = new Set(moving.map((each) => each.artifact?.id));
    const names = new Set(moving.filter((each) => each.state !== "FAILED").map((each) => each.file.name));
    const rest = artifacts.filter(({ id, attributes: { filename, status } }) => !same.has(id)
      && !(names.has(filename) && ["WAITING", "FAILED"].includes(status)));
    return { moving, rest };
  }

  function draw() {
    const { moving, rest } = split();
    bars.clear();
    fill(list, moving.map(uploadRow), rest.map(artifactRow));
    summarise();
    clearTimeout(timer);
    // Somebody else's uploads, and files that are read again, change without our doing.
    if (rest.some((each) => ["WAITING", "PROCESSING"].includes(each.attributes.status))) {
      timer = setTimeout(reload, wait);
      wait = Math.min(wait * 1.5, LONGEST_LOOK);
    }
  }

  function count() {
    const { moving, rest } = split();
    const states = [...moving.map((each) => each.state), ...rest.map((each) => each.attributes.status)];
    return {
      ready: states.filter((each) => each === "UPLOADED").length,
      failed: states.filter((each) => each === "FAILED").length,
      pending: states.filter((each) => !["UPLOADED", "FAILED"].includes(each)).length,
    };
  }

  function summarise() {
    const { ready, failed, pending } = count();
    const bytes = artifacts.reduce((sum, each) => sum + (each.attributes.filesize ?? 0), 0);
    const parts = [`${plural(ready, "file")} ready`, pending > 0 && `${pending} on the way`, failed > 0 && `${failed} failed`];
    total.textContent = ready + failed + pending === 0 ? "" : `${parts.filter(Boolean).join(", ")} · ${size(bytes)}`;
  }

  function uploadRow(upload) {
    const { file, state, reason } = upload;
    const progress = h("progress", { max: Math.max(file.size, 1), "aria-label": `Upload of ${file.name}` });
    const amount = h("span", { class: "faint" });
    const show = ({ sent }) => {
      progress.value = sent;
      amount.textContent = state === "SENDING" ? `${size(sent)} of ${size(file.size)}` : size(file.size);
    };
    bars.set(upload, { state, show });
    show(upload);
    return row({
      name: h("span", { class: "name" }, file.name), facts: amount,
      status: state === "SENDING" ? progress : badge(state, state === "QUEUED" ? "plain" : undefined),
      reason: state === "FAILED" && reason,
      actions: state === "FAILED"
        ? [button("Upload again", () => uploads.add(release.id, [file], upload.attributes)), drop(upload, "Dismiss")]
        : state !== "UPLOADED" && [drop(upload, "Cancel")],
    });
  }

  function drop(upload, label) {
    return h("button", { type: "button", "aria-label": `${label} ${upload.file.name}`, on: { click: doing(async () => {
      await uploads.remove(upload);
      await reload();
    }) } }, label);
  }

  function artifactRow(artifact) {
    const { filename, filesize, platform, arch, status, failureReason } = artifact.attributes;
    const details = [filesize !== null && size(filesize), platform, arch].filter(Boolean).join(" · ");
    return row({
      name: h("button", { type: "button", class: "name", on: { click: () => look(artifact) } }, filename),
      facts: h("span", { class: "faint" }, details), status: badge(status), reason: failureReason,
      actions: write && [
        status === "FAILED" && h("button", { type: "button", on: { click: doing(() => again(artifact)) } }, "Read again"),
        h("button", { type: "button", class: "bare", "aria-label": `Delete ${filename}`, on: { click: () => remove(artifact) } },
          icon("cross")),
      ],
    });
  }

  async function look(artifact) {
    if (await fileDetails(api, artifact, write)) await reload();
  }

  async function again(artifact) {
    await api.post(`/artifacts/${artifact.id}/actions/reprocess`);
    wait = FIRST_LOOK;
    await reload();
  }

  async function remove(artifact) {
    const done = await confirm({
      title: "Delete the file?", button: "Delete it", text: `${artifact.attributes.filename} is gone for everybody.`,
      work: () => api.delete(`/artifacts/${artifact.id}`),
    });
    if (done) await reload();
  }
}

function row({ name, facts, status, reason, actions }) {
  return h("li", { class: "file" }, icon("file"),
    h("div", { class: "what" }, name, facts, reason && h("p", { class: "error" }, sentence(reason))),
    h("div", { class: "how" }, status), actions && h("div", { class: "row-actions" }, actions));
}
