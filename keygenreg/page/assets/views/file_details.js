/** One file of a release, looked at closely: its facts, its signature and metadata, and the file itself. */

import { resource } from "../api.js";
import { h } from "../dom.js";
import { moment, size } from "../format.js";
import { codeLine } from "../parts/copying.js";
import { openDialog } from "../parts/dialogs.js";
import { form, metadataField, orNull, readMetadata } from "../parts/form.js";
import { doing } from "../parts/notices.js";
import { badge, facts } from "../parts/pages.js";

/** Shows an artifact; fires with true when it was changed. */
export function fileDetails(api, artifact, write) {
  const { filename, status, filesize, filetype, platform, arch, checksum, signature, metadata, created } = artifact.attributes;
  return openDialog(filename, (close) => [
    facts([
      ["Status", badge(status)], ["Size", size(filesize)], ["Type", filetype], ["Platform", platform], ["Architecture", arch],
      ["Created", moment(created)], ["Checksum", checksum && codeLine(checksum, "Copy the checksum")],
      ["File", status === "UPLOADED" && h("button", { type: "button", on: { click: doing(() => download(api, artifact)) } },
        "Download")],
    ]),
    write && form({
      button: "Save",
      fields: [
        { name: "signature", label: "Signature", kind: "area", rows: 2, code: true, value: signature,
          hint: "Updaters of apps verify it. A file of the same name with .sig does as well." },
        metadataField(metadata),
      ],
      submit: async (values) => {
        await api.patch(`/artifacts/${artifact.id}`, resource("artifacts",
          { signature: orNull(values.signature), metadata: readMetadata(values.metadata) }));
        close(true);
      },
    }),
  ], { wide: true });
}

/** The registry gives a link that is good for this file and a while; it holds no credentials. */
async function download(api, artifact) {
  const answer = await api.request("GET", `/artifacts/${artifact.id}`, { headers: { Prefer: "no-redirect" } });
  const link = h("a", { href: answer.headers.get("Location"), download: artifact.attributes.filename, rel: "noreferrer" });
  document.body.append(link);
  link.click();
  link.remove();
}
