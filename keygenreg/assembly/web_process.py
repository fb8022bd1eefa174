"""One web process: from settings and a database to a site that answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from shutil import disk_usage
from typing import Any

from attrs import define
from twisted.python.threadpool import ThreadPool
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET

from keygenreg.access.accounts import Accounts
from keygenreg.access.authentication import Authenticator
from keygenreg.access.passwords import Passwords
from keygenreg.access.remembering import RememberedAccounts, RememberedBearers
from keygenreg.access.views import Views
from keygenreg.assembly.engines import find_engines
from keygenreg.assembly.telemetry import Telemetry
from keygenreg.caches.generations import Generations
from keygenreg.database.notifications import Listener
from keygenreg.database.pool import Database
from keygenreg.domain.failures import Failure
from keygenreg.management.errors import as_reply
from keygenreg.management.router import resource_of
from keygenreg.management.routes import ALL_ROUTES
from keygenreg.mirror.service import Mirrors
from keygenreg.page.bundle import Bundle
from keygenreg.page.resource import Entrance, Page
from keygenreg.processing.service import ProcessingService
from keygenreg.processing.size_limits import size_limits
from keygenreg.settings import Settings
from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from keygenreg.telemetry.mirror_figures import MirrorFigures
from keygenreg.web.delivery import Delivery
from keygenreg.web.edge import Edge
from keygenreg.web.files.acceleration import acceleration
from keygenreg.web.keeping.keeping_answer import Memory
from keygenreg.web.keeping.kept_replies import KeptReplies
from keygenreg.web.keeping.ready_answers import ReadyAnswers
from keygenreg.web.limits import Limits
from keygenreg.web.links import Addresses, Proxies
from keygenreg.web.parts import Parts
from keygenreg.web.resource_tree import Tree
from keygenreg.web.routing import Routed
from keygenreg.web.signed_urls import SignedUrls, claimer
from keygenreg.web.site import EdgeSite

_DISK_THREADS = 8
_PASSWORD_THREADS = 2
_MIRROR_THREADS = 2
#: Addresses of which it is remembered whether they are proxies'.
_PEERS = 4096


@define
class WebProcess:
    """What one process runs; ``start`` before the first connection, ``stop`` after the last."""

    site: EdgeSite
    processing: ProcessingService
    mirrors: Mirrors
    database: Database
    threads: tuple[ThreadPool, ...]
    telemetry: Telemetry
    listener: Listener

    def start(self) -> None:
        for pool in self.threads:
            pool.start()
        self.telemetry.start()
        self.listener.start()
        self.processing.startService()
        self.mirrors.start()

    async def stop(self) -> None:
        """Let running work end, then close the pools."""
        await self.mirrors.stop()
        await self.processing.stopService()
        self.listener.stop()
        await self.database.close()
        self.telemetry.stop()
        for pool in self.threads:
            pool.stop()


def build(
    settings: Settings,
    database: Database,
    signing_key: bytes,
    reactor: Any,
    generations: Generations,
    listener: Listener,
) -> WebProcess:
    """
    Put a web process together; nothing runs yet.

    :param database: connected to a migrated registry.
    :param signing_key: the installation's, for signed URLs.
    :param generations: which the listener and the database move.
    """
    disk_pool = ThreadPool(0, _DISK_THREADS, "disk")
    password_pool = ThreadPool(0, _PASSWORD_THREADS, "passwords")
    reading_pool = ThreadPool(0, settings.processing.threads, "reading")
    mirror_pool = ThreadPool(0, _MIRROR_THREADS, "mirror")
    disk = DiskThreads(reactor, disk_pool)
    # A web server that sends files itself reads them under a user of its own, in the group of ours.
    shared = settings.delivery.accelerate != "none"
    blobs = FilesystemBlobStore(settings.storage.data_dir, disk, group_readable=shared)
    blobs.prepare()
    passwords = Passwords(reactor, password_pool)
    singleplayer = settings.server.mode == "singleplayer"
    addresses = Addresses(settings.server.public_url, settings.server.domain)
    proxies = Proxies(settings.server.trusted_proxies)
    trusts = lru_cache(_PEERS)(proxies.trusts)
    cache = settings.cache
    edge = Edge(
        RememberedAccounts(
            Accounts(database, singleplayer, settings.server.account), generations, cache.bearers_bytes // 4
        ),
        RememberedBearers(
            Authenticator(database, passwords, settings.security.uniform_password_errors),
            generations,
            cache.bearers_bytes // 2,
        ),
        addresses,
        proxies,
        settings.server.mode,
        Memory(
            generations,
            KeptReplies(generations, Views(database, generations, cache.bearers_bytes // 4), cache.replies_bytes),
        ),
    )
    delivery = Delivery(
        signing_key,
        settings.uploads.link_seconds,
        settings.delivery.link_seconds,
        settings.delivery.mode == "redirect",
        settings.delivery.redirect_above_bytes or None,
    )
    engines = find_engines()
    readers = {key: engine.reader for key, engine in engines.items() if engine.reader}
    makers = {key: engine.reader_maker for key, engine in engines.items() if engine.reader_maker}
    readers |= {key: make(blobs.scratch, settings) for key, make in makers.items()}
    sizes = settings.processing
    processing = ProcessingService(
        database=database,
        blobs=blobs,
        readers=readers,
        threads=reading_pool,
        reactor=reactor,
        waiting_seconds=settings.uploads.waiting_seconds,
        limits=size_limits(gem=sizes.gem_bytes, npm=sizes.npm_bytes, image=sizes.image_bytes),
    )
    telemetry = Telemetry(settings, reactor)
    figures = MirrorFigures(telemetry.registry)
    mirrors = Mirrors(
        settings.upstream,
        database,
        blobs,
        reactor,
        mirror_pool,
        figures,
        lambda: disk_usage(blobs.scratch).free,
    )
    parts = Parts(
        edge, database, blobs, passwords, delivery, processing.process, settings, frozenset(readers), mirrors
    )
    owners = {key: engine.resource(parts) for key, engine in engines.items()}
    owners |= {"management": resource_of(parts, ALL_ROUTES), "signed": Routed(SignedUrls(parts).app)}
    if settings.page.enabled:
        owners |= {"page": Page(edge, Bundle.read()), "entrance": Entrance(edge)}
    tree = Tree(owners, engines, addresses, singleplayer=singleplayer, refuse=_refusal(edge))
    site = EdgeSite(
        tree,
        reactor=reactor,
        limits=_limits(settings),
        claim_upload=claimer(delivery, settings.uploads.max_bytes),
        blobs=blobs,
        disk=disk,
        observers=telemetry.observers,
        ready=ReadyAnswers(generations, cache.answers_bytes),
        trusts=trusts,
        acceleration=acceleration(
            settings.delivery.accelerate, settings.delivery.accelerate_prefix, blobs.directory, trusts
        ),
    )
    telemetry.watch_connections(lambda: len(site.channels))
    threads = (disk_pool, password_pool, reading_pool, mirror_pool)
    return WebProcess(site, processing, mirrors, database, threads, telemetry, listener)


def _refusal(edge: Edge) -> Callable[[Request, Failure], object]:
    """Answers what fails before anybody is in charge."""

    def refuse(request: Request, failure: Failure) -> object:
        async def handler(_exchange: object) -> Any:
            raise failure

        edge.answer(request, handler, as_reply)
        return NOT_DONE_YET

    return refuse


def _limits(settings: Settings) -> Limits:
    given = settings.limits
    return Limits(
        head_bytes=given.head_bytes,
        head_count=given.head_fields,
        target_bytes=given.target_bytes,
        body_bytes=given.body_bytes,
        keep_alive=given.keep_alive_seconds,
        head_time=given.head_seconds,
        body_time=given.body_seconds,
        body_pace=given.body_pace_bytes,
        send_time=given.send_seconds,
    )
