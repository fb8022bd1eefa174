"""Gems like those of ``gem build``, whole or broken on purpose."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from textwrap import indent

Entry = tuple[str, bytes] | tarfile.TarInfo
Conditions = Iterable[tuple[str, str]]

ANY = ((">=", "0"),)


def requirement(conditions: Conditions = ANY) -> str:
    """A ``Gem::Requirement`` as Psych writes it."""
    lines = ["!ruby/object:Gem::Requirement", "  requirements:"]
    for operator, version in conditions:
        lines += [f"  - - {operator!r}", "    - !ruby/object:Gem::Version", f"      version: '{version}'"]
    return "\n".join(lines)


def dependency(name: str, conditions: Conditions = ANY, kind: str = "runtime") -> str:
    stated = indent(requirement(conditions), "  ").strip()
    return (
        f"- !ruby/object:Gem::Dependency\n  name: {name}\n  requirement: {stated}\n  type: :{kind}\n"
        f"  prerelease: false\n  version_requirements: {stated}\n"
    )


def specification(
    name: str = "kestrel",
    version: str = "1.0.0",
    *,
    platform: str = "ruby",
    dependencies: Iterable[str] = (),
    ruby: Conditions = ANY,
    rubygems: Conditions = ANY,
    more: str = "",
) -> str:
    """A specification in YAML; ``dependencies`` are made by :func:`dependency`, ``more`` are further lines."""
    stated = "".join(dependencies)
    return (
        "--- !ruby/object:Gem::Specification\n"
        f"name: {name}\nversion: !ruby/object:Gem::Version\n  version: {version}\nplatform: {platform}\n"
        "authors:\n- Ada\n- Bob\nautorequire:\nbindir: bin\ncert_chain: []\ndate: 2026-02-03 00:00:00.000000000 Z\n"
        + (f"dependencies:\n{stated}" if stated else "dependencies: []\n")
        + "description: |-\n  More than\n  one line\nemail:\n- ada@example.com\nexecutables: []\nextensions: []\n"
        "extra_rdoc_files: []\nfiles: []\nhomepage: https://example.com\nlicenses:\n- MIT\n"
        "metadata:\n  plain_key: value\n"
        "post_install_message:\nrdoc_options: []\nrequire_paths:\n- lib\n"
        f"required_ruby_version: {requirement(ruby)}\nrequired_rubygems_version: {requirement(rubygems)}\n"
        "requirements: []\nrubygems_version: 3.3.15\nsigning_key:\nspecification_version: 4\nsummary: 'Wie süß'\n"
        f"test_files: []\n{more}"
    )


def tarred(entries: Iterable[Entry]) -> bytes:
    """An uncompressed tar; a bare TarInfo becomes an entry without data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            info = tarfile.TarInfo(entry[0])
            info.size, info.mode = len(entry[1]), 0o644
            archive.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A tar entry that is no regular file: ``kind`` is one of tarfile's type constants."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def checksums(members: Mapping[str, bytes]) -> bytes:
    """A ``checksums.yaml`` of members."""
    lines = ["---"]
    for algorithm in ("SHA256", "SHA512"):
        lines.append(f"{algorithm}:")
        lines += [f"  {name}: {hashlib.new(algorithm, data).hexdigest()}" for name, data in members.items()]
    return "\n".join(lines).encode()


def packed(document: str | bytes, files: Iterable[Entry] = (("lib/kestrel.rb", b"KESTREL = 1\n"),)) -> bytes:
    """A gem with a specification and files."""
    document = document.encode() if isinstance(document, str) else document
    members = {"metadata.gz": gzip.compress(document, mtime=0), "data.tar.gz": gzip.compress(tarred(files), mtime=0)}
    stated = gzip.compress(checksums(members), mtime=0)
    return tarred([*members.items(), ("checksums.yaml.gz", stated)])


def gem(name: str = "kestrel", version: str = "1.0.0", **stated: object) -> bytes:
    """A gem of a name and version; everything else as of :func:`specification`."""
    return packed(specification(name, version, **stated))
