"""A server in a process of its own, for tests that weigh it: ``python -m tests.web.server_process DIR BLOB``."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.python.threadpool import ThreadPool

from keygenreg.storage.filesystem import FilesystemBlobStore
from keygenreg.storage.threads import DiskThreads
from keygenreg.web.site import EdgeSite
from tests.web.serving import Tree, claim_upload


def main(directory: Path, blob: Path) -> None:
    pool = ThreadPool(0, 3)
    pool.start()
    reactor.addSystemEventTrigger("after", "shutdown", pool.stop)
    blobs = FilesystemBlobStore(directory, DiskThreads(reactor, pool))
    blobs.prepare()
    site = EdgeSite(Tree(blobs, blob, reactor), reactor=reactor, claim_upload=claim_upload, blobs=blobs)
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
