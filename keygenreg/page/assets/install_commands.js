/** What customers paste into their clients, by engine: pure text from what is known of a package. */

/**
 * Blocks of `{ title, text, note }`.
 *
 * `base` is scheme, host and port of the registry; `account` is null where paths name none; `product` is a code or id;
 * `key` the package's; `open` whether no credentials are needed; `user` is license or token, and `secret` what goes with it:
 * a license key or a token, or a word in its place;
 * `version` the newest that is published, or null; `files` are its names.
 */
export function installCommands(engine, known) {
  return (ENGINES[engine] ?? raw)(known);
}

const ENGINES = { pypi, npm, oci, rubygems, tauri, raw };

function engineUrl({ base, account }, engine) {
  return `${base}/v1/${account === null ? "" : `accounts/${encodeURIComponent(account)}/`}engines/${engine}/`;
}

function withLogin(address, { open, user, secret }) {
  return open ? address : address.replace("://", `://${user}:${encodeURIComponent(secret)}@`);
}

function host({ base }) {
  return base.replace(/^https?:\/\//, "");
}

function pypi(known) {
  const index = `${engineUrl(known, "pypi")}simple/`;
  const { key, open, user, secret } = known;
  const machine = host(known).replace(/:\d+$/, "");
  const login = withLogin(index, known);
  return [
    { title: "pip", text: `pip install --index-url ${shell(login)} ${shell(key)}` },
    { title: "uv", text: `uv pip install --default-index ${shell(login)} ${shell(key)}` },
    { title: "pip, for good: pip.conf", text: `[global]\nindex-url = ${index}`,
      note: open ? null : "The key goes into ~/.netrc, out of sight." },
    ...(open ? [] : [{ title: "~/.netrc", text: `machine ${machine} login ${user} password ${secret}` }]),
    { title: "uv: pyproject.toml", text: `[[tool.uv.index]]\nname = "vendor"\nurl = "${index}"\ndefault = true`,
      note: open ? null : `With UV_INDEX_VENDOR_USERNAME=${user} and UV_INDEX_VENDOR_PASSWORD=${secret} in the environment.` },
    { title: "Poetry: pyproject.toml", text: `[[tool.poetry.source]]\nname = "vendor"\nurl = "${index}"\npriority = "primary"`,
      note: open ? null : `Then: poetry config http-basic.vendor ${user} ${shell(secret)}` },
  ];
}

function npm(known) {
  const { key, open, user, secret } = known;
  const registry = engineUrl(known, "npm");
  const scope = /^(@[^/]+)\//.exec(key)?.[1];
  const lines = [`${scope ? `${scope}:` : ""}registry=${registry}`];
  if (!open) lines.push(`${registry.replace(/^https?:/, "")}:_auth=${base64(`${user}:${secret}`)}`);
  return [
    { title: ".npmrc", text: lines.join("\n"),
      note: scope ? `Only packages of ${scope} come from here.`
        : "Without a scope, all packages come from here: those of others only where the registry passes them on." },
    { title: "npm", text: `npm install ${shell(key)}` },
    { title: "pnpm, bun, yarn", text: `pnpm add ${shell(key)}\nbun add ${shell(key)}\nyarn add ${shell(key)}`,
      note: "pnpm, bun and yarn classic read .npmrc too." },
  ];
}

function oci(known) {
  const { key, account, open, user, secret, version, tag } = known;
  const name = host(known);
  const image = `${name}/${account === null ? "" : `${account}/`}${key}:${tag ?? version ?? "latest"}`;
  const login = (program) => `printf %s ${shell(secret)} | ${program} login --username ${user} --password-stdin ${shell(name)}`;
  const plain = known.base.startsWith("http:") && !/^(localhost|127\.|\[::1\])/.test(name);
  const note = plain ? "This registry is reached without TLS here: docker has to be told so (insecure-registries), podman by"
    + " --tls-verify=false." : null;
  return [
    ...(open ? [] : [{ title: "Sign in, once", text: login("docker") }]),
    { title: "docker", text: `docker pull ${shell(image)}`, note },
    { title: "podman", text: [...(open ? [] : [login("podman")]), `podman pull ${shell(image)}`].join("\n") },
    { title: "A chart, with helm", text: `helm pull ${shell(`oci://${image.slice(0, image.lastIndexOf(":"))}`)}`,
      note: "If the package is a Helm chart." },
  ];
}

function rubygems(known) {
  const { key, open, user, secret } = known;
  const source = engineUrl(known, "rubygems");
  return [
    { title: "gem", text: `gem install ${shell(key)} --source ${shell(withLogin(source, known))}` },
    { title: "Gemfile", text: `source "https://rubygems.org"\n\nsource "${source}" do\n  gem ${JSON.stringify(key)}\nend` },
    ...(open ? [] : [{ title: "Bundler's key, once",
      text: `bundle config set --global ${shell(source)} ${shell(`${user}:${secret}`)}` }]),
  ];
}

function tauri(known) {
  const { key, open, user, secret } = known;
  const endpoint = `${engineUrl(known, "tauri")}${encodeURIComponent(key)}/{{target}}/{{arch}}/{{current_version}}`;
  const header = `Authorization: \`${user === "license" ? "License" : "Bearer"} \${key}\``;
  return [
    { title: "tauri.conf.json, Tauri 2", text: JSON.stringify({ plugins: { updater: { pubkey: "CONTENT OF key.pub",
      endpoints: [`${endpoint}?bundle_type={{bundle_type}}`] } }, bundle: { createUpdaterArtifacts: true } }, null, 2) },
    { title: "tauri.conf.json, Tauri 1", text: JSON.stringify({ tauri: { updater: { active: true,
      pubkey: "CONTENT OF key.pub", endpoints: [endpoint] } } }, null, 2) },
    ...(open ? [] : [{ title: "In the app: the customer's key", text: `const update = await check({ headers: { ${header} } });`,
      note: "The updater repeats the header when it downloads." }]),
    { title: "Try it", text: `curl -sS ${open ? "" : `-u ${shell(`${user}:${secret}`)} `}${
      shell(`${engineUrl(known, "tauri")}${encodeURIComponent(key)}/latest.json`)}` },
  ];
}

function raw(known) {
  const { key, product, open, files, version, user, secret, tag } = known;
  const release = tag ?? (version === null ? "latest" : version.includes("-") ? version : "latest");
  const inside = key === null ? "" : `@${encodeURIComponent(key)}/`;
  const folder = `${engineUrl(known, "raw")}${encodeURIComponent(product)}/${inside}${encodeURIComponent(release)}/`;
  const login = open ? "" : `-u ${shell(`${user}:${secret}`)} `;
  const file = (name) => shell(folder + name.split("/").map(encodeURIComponent).join("/"));
  const shown = files.length ? files.slice(0, 6) : ["FILE"];
  return [
    { title: "curl", text: shown.map((name) => `curl -fLO ${login}${file(name)}`).join("\n") },
    { title: "wget", text: shown.map((name) => `wget ${open ? "" : `--user=${user} --password=${shell(secret)} `
      + "--auth-no-challenge "}${file(name)}`).join("\n") },
    { title: "Check what came", text: `curl -fLO ${login}${file("SHA256SUMS")}\nsha256sum -c --ignore-missing SHA256SUMS` },
  ];
}

/** A word of a shell's command line, quoted where it needs that. */
export function shell(text) {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
