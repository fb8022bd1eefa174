/** What the API's words mean, as choices of forms and in tables. */

export const STRATEGIES = [
  ["LICENSED", "Licensed – holders of a license for it"],
  ["OPEN", "Open – anybody"],
  ["CLOSED", "Closed – only you"],
];

export const ENGINES = [
  ["pypi", "PyPI – pip, uv, Poetry"],
  ["npm", "npm – npm, pnpm, yarn, bun"],
  ["oci", "OCI – docker, podman, helm"],
  ["rubygems", "RubyGems – gem, Bundler"],
  ["tauri", "Tauri – the updater of apps"],
  ["raw", "Raw – curl, wget, installers"],
];

const ENGINE_NAMES = { pypi: "PyPI", npm: "npm", oci: "OCI", rubygems: "RubyGems", tauri: "Tauri", raw: "Raw" };

export function engineName(engine) {
  return ENGINE_NAMES[engine] ?? engine ?? "No engine";
}

/** What a package is called by its clients, by engine: its key has to be that name. */
export const KEY_HINTS = {
  pypi: "The name of the project, as in pip install NAME.",
  npm: "The name in package.json, such as @acme/tool.",
  oci: "The name of the repository, such as acme/server.",
  rubygems: "The name of the gem.",
  tauri: "A name for the app, in the address that its updater asks.",
  raw: "A name for the files, in their address.",
};

/** Which files an engine takes. */
export const FILE_HINTS = {
  pypi: "Wheels (.whl) and source distributions (.tar.gz, .zip).",
  npm: "The tarball of npm pack (.tgz).",
  oci: "The archive of an OCI image layout (.tar), from docker buildx or skopeo.",
  rubygems: "Gems (.gem), one for each platform.",
  tauri: "Bundles with their .sig files. Every bundle needs a platform and an architecture.",
  raw: "Any files.",
};

export const CHANNELS = ["stable", "rc", "beta", "alpha", "dev"].map((each) => [each, each]);

export const EXPIRATION = [
  ["RESTRICT_ACCESS", "Keep what was released before"],
  ["MAINTAIN_ACCESS", "Keep what was released before, sign-in included"],
  ["ALLOW_ACCESS", "Keep everything, new releases included"],
  ["REVOKE_ACCESS", "Lose everything"],
];

export const AUTHENTICATION = [
  ["MIXED", "License key or token"],
  ["LICENSE", "License key"],
  ["TOKEN", "Token"],
  ["NONE", "Neither"],
];

export const EXPIRATION_BASIS = [
  ["FROM_CREATION", "When the license is made"],
  ["FROM_FIRST_DOWNLOAD", "With the first download"],
];

export const RENEWAL_BASIS = [
  ["FROM_EXPIRY", "From the expiry on"],
  ["FROM_NOW", "From now on"],
  ["FROM_NOW_IF_EXPIRED", "From now on if it has expired, else from the expiry on"],
];

export const ROLES = [
  ["user", "Customer"],
  ["admin", "Administrator"],
  ["developer", "Developer"],
  ["sales-agent", "Sales"],
  ["support-agent", "Support"],
  ["read-only", "Read only"],
];

export function labelOf(choices, key) {
  return choices.find(([each]) => each === key)?.[1] ?? key;
}
