/** What the names of files tell: the version of a release, and its channel. */

const WORDS = { a: "alpha", alpha: "alpha", b: "beta", beta: "beta", c: "rc", rc: "rc", pre: "rc", preview: "rc",
  dev: "dev" };
const NUMBERS = "v?(\\d+(?:\\.\\d+){0,2})";
const PRERELEASE = "[-_.]?(alpha|a|beta|b|preview|pre|rc|c|dev)[-_.]?(\\d*)(?:\\.\\d+)*";
const VERSION = new RegExp(`^${NUMBERS}(?:${PRERELEASE})?(?:\\+[0-9A-Za-z.-]+)?$`, "i");
const SUFFIXES = /\.(tar\.(?:gz|bz2|xz|zst)|tgz|whl|zip|gem|tar|exe|msi|dmg|deb|rpm|appimage)(?:\.sig)?$/i;

/** A version of any ecosystem as the semantic version of a release; null for what does not look like one. */
export function semantic(text) {
  const found = VERSION.exec(text);
  if (found === null) return null;
  const [, core, word, number] = found;
  const full = [...core.split("."), "0", "0"].slice(0, 3).join(".");
  return word ? `${full}-${WORDS[word.toLowerCase()]}${number === "" ? "" : `.${number}`}` : full;
}

/** The version in the name of a wheel, source distribution, gem, tarball or bundle; null without one. */
export function versionOf(filename) {
  const stem = filename.replace(SUFFIXES, "");
  if (stem === filename) return null;
  const parts = stem.split(/[-_]/);
  for (let n = 1; n < parts.length; n += 1) {
    // Semantic versions have a dash themselves: "lib-1.2.0-beta.1.tgz".
    const found = (n + 1 < parts.length && semantic(`${parts[n]}-${parts[n + 1]}`)) || semantic(parts[n]);
    if (found && /\./.test(parts[n])) return found;
  }
  return null;
}

/** The channel that a version's prerelease part names. */
export function channelOf(version) {
  const part = /^[^-+]+-([0-9A-Za-z]+)/.exec(version)?.[1]?.toLowerCase() ?? "";
  return ["rc", "beta", "alpha", "dev"].find((each) => part.startsWith(each)) ?? "stable";
}
