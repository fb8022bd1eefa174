"""The clients of container registries, each with a home of its own, behind one small interface."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from tests.clients.running import Ran, environment, require, run

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
#: Where ``go install`` puts programs that no distribution has.
_GO_PROGRAMS = Path(os.environ.get("GOBIN") or Path.home() / "go" / "bin")


class Client:
    """
    One client. ``pull`` fetches an image; ``digest`` is what it then says that the image's manifest is.

    :param folder: its home; nothing outside of it is touched.
    """

    name = ""
    logs_in = True
    pushes = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = environment(folder, XDG_RUNTIME_DIR=str(folder))
        folder.chmod(0o700)
        self._counter = 0

    def run(self, *words: object, seconds: float = 120) -> Ran:
        return run(*words, cwd=self.folder, env=self.env, seconds=seconds)

    def login(self, registry: str, user: str, password: str) -> Ran:
        raise NotImplementedError

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        raise NotImplementedError

    def digest(self, reference: str) -> str:
        raise NotImplementedError

    def push(self, reference: str) -> Ran:
        """Push what was pulled last to another name."""
        raise NotImplementedError

    def close(self) -> None:
        """Remove what a plain removal of the folder could not."""

    def _fresh(self) -> Path:
        self._counter += 1
        return self.folder / f"pulled-{self._counter}"


class Docker(Client):
    """The command line against a dockerd of the tests' own."""

    name = "docker"
    socket = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        require("docker")
        self.env |= {"DOCKER_CONFIG": str(folder), "DOCKER_HOST": f"unix://{self.socket}"}
        self._said = ""

    def login(self, registry: str, user: str, password: str) -> Ran:
        return self.run("docker", "login", "-u", user, "-p", password, registry)

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        ran = self.run("docker", "pull", *(["--platform", platform] if platform else []), reference)
        self._said = ran.words
        return ran

    def digest(self, reference: str) -> str:
        return _DIGEST.findall(self._said.partition("Digest:")[2])[0]

    def push(self, reference: str) -> Ran:
        image = self.run("docker", "images", "-q").ok().words.split()[0]
        self.run("docker", "tag", image, reference).ok()
        return self.run("docker", "push", reference)


class _ContainersImage(Client):
    """What podman and buildah have in common."""

    def _command(self) -> list[object]:
        return [self.name, "--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs"]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        require(self.name)
        self.env |= {"REGISTRY_AUTH_FILE": str(folder / "auth.json")}
        (folder / "auth.json").write_text("{}")

    def login(self, registry: str, user: str, password: str) -> Ran:
        return self.run(*self._command(), "login", "--tls-verify=false", "-u", user, "-p", password, registry)

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        chosen = ["--arch", platform.split("/")[1]] if platform else []
        return self.run(*self._command(), "pull", "--tls-verify=false", *chosen, reference)

    def push(self, reference: str) -> Ran:
        image = self.run(*self._command(), "images", "-q").ok().words.split()[0]
        return self.run(*self._command(), "push", "--tls-verify=false", image, f"docker://{reference}")


class Podman(_ContainersImage):
    name = "podman"

    def digest(self, reference: str) -> str:
        form = "{{.Digest}} {{join .RepoDigests \" \"}}"
        said = self.run(*self._command(), "image", "inspect", "--format", form, reference).ok().words
        return _DIGEST.findall(said)[0]

    def close(self) -> None:
        self.run("podman", "--root", self.folder / "root", "--runroot", self.folder / "run", "system", "reset", "-f")


class Buildah(_ContainersImage):
    name = "buildah"

    def digest(self, reference: str) -> str:
        form = "{{.FromImageDigest}}"
        return self.run(*self._command(), "inspect", "--type", "image", "--format", form, reference).ok().words.strip()


class Skopeo(Client):
    name = "skopeo"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        require("skopeo")
        self.env |= {"REGISTRY_AUTH_FILE": str(folder / "auth.json")}
        (folder / "auth.json").write_text("{}")
        self._pulled = folder

    def login(self, registry: str, user: str, password: str) -> Ran:
        return self.run("skopeo", "login", "--tls-verify=false", "-u", user, "-p", password, registry)

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        self._pulled = self._fresh()
        chosen = ["--override-arch", platform.split("/")[1]] if platform else []
        which = [] if platform else ["--all"]
        target = f"dir:{self._pulled}"
        return self.run(
            "skopeo", *chosen, "copy", *which, "--src-tls-verify=false", f"docker://{reference}", target
        )

    def digest(self, reference: str) -> str:
        return "sha256:" + hashlib.sha256((self._pulled / "manifest.json").read_bytes()).hexdigest()

    def push(self, reference: str) -> Ran:
        target = f"docker://{reference}"
        return self.run("skopeo", "copy", "--all", "--dest-tls-verify=false", f"dir:{self._pulled}", target)


class Ctr(Client):
    """containerd's own tool against a containerd of the tests' own; it has no log-in."""

    name = "containerd"
    logs_in = pushes = False
    socket = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        require("ctr")
        self._user: list[str] = []
        self._namespace = f"test-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"

    def _command(self, *words: object) -> Ran:
        return self.run("ctr", "-a", self.socket, "-n", self._namespace, *words)

    def login(self, registry: str, user: str, password: str) -> Ran:
        self._user = ["-u", f"{user}:{password}"]
        return Ran(0, "")

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        chosen = ["--platform", platform] if platform else []
        return self._command(
            "images", "pull", "--snapshotter", "native", "--plain-http", *self._user, *chosen, reference
        )

    def digest(self, reference: str) -> str:
        lines = self._command("images", "ls").ok().words.splitlines()
        return _DIGEST.findall(next(line for line in lines if line.startswith(reference + " ")).split(" ", 1)[1])[0]


class Oras(Client):
    name = "oras"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.program = go_program("oras")
        self.env |= {"DOCKER_CONFIG": str(folder)}
        self._pulled = folder

    def login(self, registry: str, user: str, password: str) -> Ran:
        return self.run(self.program, "login", "--plain-http", "-u", user, "-p", password, registry)

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        self._pulled = self._fresh()
        chosen = ["--platform", platform] if platform else []
        target = f"{self._pulled}:pulled"
        return self.run(self.program, "cp", "--from-plain-http", *chosen, reference, "--to-oci-layout", target)

    def digest(self, reference: str) -> str:
        return json.loads((self._pulled / "index.json").read_bytes())["manifests"][0]["digest"]

    def push(self, reference: str) -> Ran:
        source = f"{self._pulled}:pulled"
        return self.run(self.program, "cp", "--from-oci-layout", source, "--to-plain-http", reference)


class Crane(Client):
    name = "crane"
    #: ``crane auth login`` stores credentials and asks nobody.
    logs_in = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.program = go_program("crane")
        self.env |= {"DOCKER_CONFIG": str(folder)}
        self._pulled = folder

    def login(self, registry: str, user: str, password: str) -> Ran:
        return self.run(self.program, "auth", "login", registry, "-u", user, "-p", password)

    def pull(self, reference: str, platform: str | None = None) -> Ran:
        self._pulled = self._fresh()
        chosen = ["--platform", platform] if platform else []
        return self.run(self.program, "pull", "--insecure", *chosen, "--format", "oci", reference, self._pulled)

    def digest(self, reference: str) -> str:
        return json.loads((self._pulled / "index.json").read_bytes())["manifests"][0]["digest"]

    def push(self, reference: str) -> Ran:
        return self.run(self.program, "push", "--insecure", "--index", self._pulled, reference)


class Helm(Client):
    """Pulls charts, so it is no client of images."""

    name = "helm"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.program = go_program("helm")
        self.env |= {
            "DOCKER_CONFIG": str(folder),
            "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_DATA_HOME": str(folder / "data"),
        }

    def login(self, registry: str, user: str, password: str) -> Ran:
        return self.run(self.program, "registry", "login", "--plain-http", "-u", user, "-p", password, registry)

    def pull(self, reference: str, *words: str) -> Ran:
        self._pulled = self._fresh()
        self._pulled.mkdir()
        return self.run(self.program, "pull", "--plain-http", reference, *words, "-d", self._pulled)

    def chart(self, reference: str, *words: str) -> str:
        """Pull a chart; the text of its template."""
        self.pull(reference, *words).ok()
        (archive,) = self._pulled.glob("*.tgz")
        with tarfile.open(archive) as chart:
            return chart.extractfile("app/templates/note.yaml").read().decode()

    def show(self, reference: str, *words: str) -> Ran:
        return self.run(self.program, "show", "chart", "--plain-http", reference, *words)


def go_program(name: str) -> str:
    """A program that ``.ci/run`` installs with Go."""
    found = _GO_PROGRAMS / name
    return str(found) if found.exists() else require(name)


class OwnDaemon:
    """A daemon of the tests' own, ended with them. ``probe`` succeeds when it is ready."""

    def __init__(self, command: list[object], log: Path, probe: list[object]) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while subprocess.run([str(word) for word in probe], capture_output=True, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.skip(f"NOT TESTED: {command[0]} does not run on this machine:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)


def start_dockerd(folder: Path) -> OwnDaemon:
    """dockerd without network and with the plainest storage; ``Docker`` clients use it from then on."""
    require("dockerd")
    Docker.socket = str(folder / "docker.sock")
    settings = {
        "storage-driver": "vfs", "iptables": False, "ip6tables": False, "bridge": "none",
        "data-root": str(folder / "data"), "exec-root": str(folder / "exec"), "pidfile": str(folder / "docker.pid"),
        "hosts": [f"unix://{Docker.socket}"],
    }  # fmt: skip
    (folder / "daemon.json").write_text(json.dumps(settings))
    probe = ["docker", "-H", f"unix://{Docker.socket}", "version"]
    return OwnDaemon(["dockerd", "--config-file", folder / "daemon.json"], folder / "dockerd.log", probe)


def start_containerd(folder: Path) -> OwnDaemon:
    """containerd with directories of its own; ``Ctr`` clients use it from then on."""
    require("containerd")
    Ctr.socket = str(folder / "containerd.sock")
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder / "root"}"\nstate = "{folder / "state"}"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{Ctr.socket}"\n'
    )
    probe = ["ctr", "-a", Ctr.socket, "version"]
    return OwnDaemon(["containerd", "-c", config], folder / "containerd.log", probe)


CLIENTS = {each.name: each for each in (Docker, Podman, Skopeo, Buildah, Ctr, Oras, Crane)}
