"""Sources of gems that gem and Bundler know how to use, on loopback: files that scripts of Ruby's make."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from textwrap import dedent

from tests.clients.running import require
from tests.mirror.fake_upstream import Answer, FakeUpstream

# One line for each gem: its name, and its line of the compact index.
_DESCRIBE = """
require "digest"
require "rubygems/package"
ARGV.each do |file|
  spec = Gem::Package.new(file).spec
  label = spec.platform == "ruby" ? spec.version.to_s : "#{spec.version}-#{spec.platform}"
  needs = spec.runtime_dependencies.map { |each| "#{each.name}:#{each.requirement.as_list.sort.join("&")}" }
  checksum = Digest::SHA256.file(file).hexdigest
  ruby = spec.required_ruby_version.none? ? "" : ",ruby:#{spec.required_ruby_version.as_list.sort.join("&")}"
  puts "#{spec.name} #{label} #{needs.join(",")}|checksum:#{checksum}#{ruby}"
end
"""


def build_gem(folder: Path, name: str, version: str, *needs: str, platform: str = "ruby", word: str = "") -> Path:
    """
    A gem that ``gem build`` made, whose file ``lib/NAME.rb`` says its version and ``word``.

    :param needs: names of gems with requirements, as in ``"other, ~> 1.0"``.
    """
    source = folder / f"{name}-{version}-{platform}"
    (source / "lib").mkdir(parents=True, exist_ok=True)
    (source / "lib" / f"{name}.rb").write_text(f"puts 'this is {name} {version} {word}'\n")
    stated = "\n".join(f"s.add_runtime_dependency {', '.join(repr(p) for p in need.split(', '))}" for need in needs)
    (source / "it.gemspec").write_text(
        dedent(f"""\
        Gem::Specification.new do |s|
          s.name = '{name}'
          s.version = '{version}'
          s.platform = '{platform}'
          s.summary = 'Zwergfalke'
          s.authors = ['Ada']
          s.files = ['lib/{name}.rb']
          s.license = 'MIT'
          s.homepage = 'https://example.com'
          s.required_ruby_version = '>= 2.0'
        """)
        + f"{stated}\nend\n"
    )
    command = [require("gem"), "build", "-q", "it.gemspec"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [made] = source.glob("*.gem")
    return made


class StaticSource:
    """
    A folder of gems, as a web server gives it: the compact index by a script, all else by ``gem generate_index``.

    New gems are appended to the list of versions, as public registries do it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "gems").mkdir(parents=True)
        self.upstream = FakeUpstream().start()
        self._infos: dict[str, list[str]] = {}
        self._versions = "created_at: 2026-01-02T03:04:05Z\n---\n"

    @property
    def url(self) -> str:
        return self.upstream.url

    def publish(self, _name: str, *gems: Path) -> None:
        for gem in gems:
            (self.folder / "gems" / gem.name).write_bytes(gem.read_bytes())
        index = [require("gem"), "generate_index", "-q", "--directory", str(self.folder)]
        subprocess.run(index, check=True, capture_output=True)
        described = subprocess.run(
            [require("ruby"), "-e", _DESCRIBE, *map(str, gems)], check=True, capture_output=True, text=True
        )
        for line in described.stdout.splitlines():
            name, line = line.split(" ", 1)
            lines = self._infos.setdefault(name, [])
            lines.append(line)
            info = ("---\n" + "".join(f"{each}\n" for each in lines)).encode()
            self._put(f"/info/{name}", info)
            digest = hashlib.md5(info, usedforsecurity=False).hexdigest()
            self._versions += f"{name} {line.split(' ')[0]} {digest}\n"
        self._put("/versions", self._versions.encode())
        for path in self.folder.rglob("*"):
            if path.is_file():
                self._put(f"/{path.relative_to(self.folder)}", path.read_bytes())

    def _put(self, path: str, body: bytes) -> None:
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        self.upstream.put(path, Answer(body, headers={"ETag": etag}))

    def replace(self, gem: str, content: bytes) -> None:
        """Other bytes under the same name; nothing else says so."""
        self._put(f"/gems/{gem}", content)

    def kill(self) -> None:
        self.upstream.go_down()

    def start(self) -> None:
        self.upstream.come_back()

    def stop(self) -> None:
        self.upstream.stop()
