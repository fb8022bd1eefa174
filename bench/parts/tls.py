"""The same blob and the same slow clients over TLS; nginx ends TLS itself too."""

from __future__ import annotations

from functools import partial

import attrs

from bench.context import Bench
from bench.figures import Case, Check, Section, Skipped, find, interleave
from bench.load import Target, check
from bench.parts import slow
from bench.parts.blobs import blob_table, downloads
from bench.peers import NGINX
from bench.registry import OURS
from keygenreg.settings import Server as ServerSettings

_NEEDED = ("tls_certificate", "tls_key")


def run(bench: Bench) -> Section:
    if missing := [name for name in _NEEDED if name not in attrs.fields_dict(ServerSettings)]:
        raise Skipped(f"There is no setting server.{missing[0]}.")
    registry = bench.registry
    registry.stop()
    files = bench.certificate
    registry.start(SERVER_TLS_CERTIFICATE=str(files.certificate), SERVER_TLS_KEY=str(files.key))
    registry.server.more["tls"] = registry.server.port
    servers = [registry.server, *bench.registries(NGINX)]
    for server in servers:
        check(Target(f"https://127.0.0.1:{server.more['tls']}{bench.large.manifest_path()}"))
    cases = downloads(bench, servers, [("discard", count) for count in bench.options.connections], tls=True)
    slowly = [Case(server.name, "HTTPS", partial(slow.measure, bench, server, tls=True)) for server in servers]
    interleave(cases, bench.options.slices, back_and_forth=True)
    interleave(slowly, 1)
    checks = []
    for case in (one for one in cases if one.server == OURS):
        nginx = find(cases, NGINX, case.what)
        if nginx:
            checks.append(Check(f"{case.what}: throughput over TLS, times nginx", case.to(nginx), 0.65))
    checks += slow.checks(slowly[0], growth=100, p99=20)
    registry.stop()
    registry.start()
    return Section(
        "TLS",
        "The blob and the slow clients of above with TLS on the server itself, one certificate (ECDSA P-256) for both "
        "servers. The client shakes hands and asks for real and drops what comes undeciphered, so that it is never "
        "what limits.",
        [blob_table(cases, (NGINX,)), slow.table(slowly)],
        checks,
        [*cases, *slowly],
    )
