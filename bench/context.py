"""What parts share: the options, the filled registry, and the peers with the same files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from attrs import evolve, frozen

from bench import images
from bench.figures import progress
from bench.filling import Licensed, license_customers, publish_image
from bench.images import Image
from bench.machine import GIB, MIB, Server
from bench.peers import (
    DISTRIBUTION,
    DOCKER_REGISTRY,
    NGINX,
    ZOT,
    Certificate,
    Peers,
    make_certificate,
)
from bench.registry import Registry

REGISTRIES = (DOCKER_REGISTRY, DISTRIBUTION, ZOT)
#: Repositories: an image with one layer of a GiB, one of eight small layers, and one that needs a license.
LARGE, PULLED, LICENSED = "large", "pulled", "licensed"
CUSTOMERS = 1000


@frozen
class Options:
    """``rounds`` of ``seconds`` each; ``quick``: fewer rounds, shorter, for a look."""

    rounds: int
    seconds: int
    quick: bool = False
    #: Peers that are measured; all that are there without.
    beside: frozenset[str] | None = None
    #: Where it is written what the reactor did when it was late, with stacks; without, it is measured without them.
    stalls: Path | None = None

    @property
    def connections(self) -> Sequence[int]:
        """Of downloads of large files."""
        return (16,) if self.quick else (1, 16, 64)

    @property
    def slices(self) -> int:
        """How often a download is measured: more often and for a shorter time than anything else."""
        return self.rounds if self.quick else max(self.rounds, 5)

    @property
    def window(self) -> float:
        """Seconds of one slice of a download."""
        return 1.0


class Bench:
    """One run. Everything is made when a part first asks for it."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self.options = options
        self._others: list[Registry] = []

    @cached_property
    def certificate(self) -> Certificate:
        return make_certificate(self.new_folder("certificate"))

    @cached_property
    def peers(self) -> Peers:
        peers = Peers(self.new_folder("peers"), self.certificate, self.options.beside)
        for image in (self.large, self.pulled):
            made = self._stored(image)
            images.for_nginx(made, peers.root(NGINX))
            for name in (DOCKER_REGISTRY, DISTRIBUTION):
                images.for_distribution(made, peers.root(name))
            images.for_zot(made, peers.root(ZOT))
        return peers

    def _stored(self, image: Image) -> Image:
        """
        An image with our daemon's own files as layers: peers get links to them. What sendfile(2) costs depends on how
        large the pieces are in which the page cache holds a file, and that on who wrote it, how.
        """
        layers = tuple(evolve(layer, path=self.registry.stored(layer.hex)) for layer in image.layers)
        return evolve(image, layers=layers)

    def registries(self, *names: str) -> list[Server]:
        """Those of the named peers that are there; all registries of images without names."""
        return [server for name in names or REGISTRIES if (server := self.peers.get(name)) is not None]

    @cached_property
    def large(self) -> Image:
        folder = self.new_folder("large")
        progress("making a layer of 1 GiB")
        return images.image(folder, LARGE, [images.random_blob(folder / "layer", GIB)])

    @cached_property
    def pulled(self) -> Image:
        folder = self.new_folder("pulled")
        return images.image(folder, PULLED, list(images.pieces(folder, 8, 8 * MIB)))

    @cached_property
    def small_licensed(self) -> Image:
        folder = self.new_folder("licensed")
        return images.image(folder, LICENSED, list(images.pieces(folder, 1, MIB)))

    @cached_property
    def registry(self) -> Registry:
        """One worker on the server's core, with the images."""
        stalls = self.options.stalls
        registry = Registry(self.folder / "registry", watch=stalls or self.folder / "stalls", stacks=stalls is not None)
        self._others.append(registry)
        registry.start()
        progress("publishing images")
        self.open_product = registry.admin.make_product("OPEN")
        for made in (self.large, self.pulled):
            publish_image(registry, made, self.open_product, self.folder / "archive.tar")
        (self.folder / "archive.tar").unlink()
        return registry

    @cached_property
    def customers(self) -> Licensed:
        """Of the registry."""
        return self.make_customers(self.registry, CUSTOMERS)

    def make_customers(self, registry: Registry, count: int) -> Licensed:
        """The licensed image in a registry, and licenses for it."""
        product = registry.admin.make_product("LICENSED")
        publish_image(registry, self.small_licensed, product, self.folder / "archive.tar")
        return license_customers(registry, product, count)

    @cached_property
    def tokens(self) -> Sequence[str]:
        """Authorization headers with a registry token of each customer."""
        progress("asking for registry tokens")
        return self.customers.bearers(self.registry, LICENSED, CUSTOMERS)

    def another(self, registry: Registry) -> Registry:
        """A further daemon, stopped with the run."""
        self._others.append(registry)
        return registry

    def new_folder(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir(parents=True)
        return place

    def stop(self) -> None:
        """End everything that was started."""
        for registry in self._others:
            registry.stop()
        if "peers" in self.__dict__:
            self.peers.stop()
