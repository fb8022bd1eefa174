"""A server in a process of its own, for tests that weigh it: ``python -m tests.web.server_process DIR BLOB [PEM]``."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.python.threadpool import ThreadPool

from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from keygenreg.web.site import EdgeSite
from keygenreg.web.tls.port import listen_tls
from tests.web.serving import Tree, claim_upload


def main(directory: Path, blob: Path, pem: Path | None = None) -> None:
    pool = ThreadPool(0, 3)
    pool.start()
    reactor.addSystemEventTrigger("after", "shutdown", pool.stop)
    blobs = FilesystemBlobStore(directory, DiskThreads(reactor, pool))
    blobs.prepare()
    site = EdgeSite(Tree(blobs, blob, reactor), reactor=reactor, claim_upload=claim_upload, blobs=blobs)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
    listener.setblocking(False)
    if pem is None:
        reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, site)
    else:
        listen_tls(reactor, listener.fileno(), socket.AF_INET, site, chain=pem, key=pem, handshake_seconds=60.0)
    print(listener.getsockname()[1], flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
