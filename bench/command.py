"""``bench/run``: this checkout's daemon beside nginx, other registries and other indexes, in interleaved rounds."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench.context import Bench, Options
from bench.figures import Section, Skipped
from bench.lateness import reactor_section
from bench.load import has_wrk
from bench.machine import CLIENT_CORE, description, load_average
from bench.parts import blobs, files, manifests, mirror, pages, pullers, pulls, slow, tls, uploads, workers
from bench.registry import version
from bench.report import rewrite, text_of

#: In the order in which they run: what restarts the daemon comes last.
PARTS: dict[str, Callable[[Bench], Section]] = {
    "manifests": manifests.run,
    "blobs": blobs.run,
    "files": files.run,
    "pulls": pulls.run,
    "pages": pages.run,
    "pullers": pullers.run,
    "slow": slow.run,
    "uploads": uploads.run,
    "workers": workers.run,
    "tls": tls.run,
    "mirror": mirror.run,
}
_REACTOR = "reactor"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--only", default="", metavar="PART,...", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--without", default="", metavar="PART,...", help="all parts but these")
    parser.add_argument("--beside", metavar="PEER,...", help="these peers only, such as nginx; all without")
    parser.add_argument("--stalls", type=Path, metavar="FILE", help="stacks of the reactor whenever it is late")
    parser.add_argument("--rounds", type=int, help="how often each measurement is made (3; quick: 1)")
    parser.add_argument("--seconds", type=int, help="of one measurement by wrk (2; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="a look in less than three minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures of all rounds")
    parser.add_argument("--report", type=Path, metavar="FILE", help="replace the figures in this document")
    given = parser.parse_args()
    chosen = [name for name in given.only.split(",") if name] or list(PARTS)
    left = given.without.split(",")
    if unknown := ({*chosen, *filter(None, left)} - set(PARTS)):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if not has_wrk():
        parser.error("wrk is not installed; bench/install_peers installs it")
    rounds, seconds = (1, 1) if given.quick else (3, 2)
    beside = None if given.beside is None else frozenset(given.beside.split(","))
    options = Options(
        given.rounds or rounds, given.seconds or seconds, given.quick, beside, given.stalls and given.stalls.absolute()
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run([name for name in PARTS if name in chosen and name not in left], options, given.json, given.report)


def run(names: list[str], options: Options, json_file: Path | None, report: Path | None) -> int:
    """Measure parts; 1 if one of them failed."""
    # Whatever is not a server is beside the generator; servers get their core when they are started.
    os.sched_setaffinity(0, {CLIENT_CORE})
    texts: dict[str, str] = {}
    data: dict[str, object] = {"machine": description(), "version": version(), "parts": {}}
    failed = False
    with tempfile.TemporaryDirectory(prefix="keygenreg-bench-") as folder:
        os.chmod(folder, 0o711)
        bench = Bench(Path(folder), options)
        try:
            for name in names:
                text, found = _part(name, bench)
                if found is None:
                    failed = True
                else:
                    texts[name], data["parts"][name] = text, found
                print(f"{text}\n", flush=True)
            if "registry" in bench.__dict__:
                section = reactor_section(bench.registry)
                texts[_REACTOR] = text_of(section, f"The whole run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.")
                data["parts"][_REACTOR] = section.data()
                print(texts[_REACTOR])
        finally:
            bench.stop()
    if json_file:
        json_file.write_text(json.dumps(data, indent=1))
    if report:
        rewrite(report, texts, [*PARTS, _REACTOR])
    return int(failed)


def _part(name: str, bench: Bench) -> tuple[str, dict | None]:
    """The text of a part, and its figures; None for those of a part that failed."""
    print(f"{name}", file=sys.stderr, flush=True)
    load, began = load_average(), time.monotonic()
    try:
        section = PARTS[name](bench)
    except Skipped as skipped:
        section = Section(f"Not measured: {name}", str(skipped))
    except Exception as error:  # one part that fails must not cost the figures of the others
        traceback.print_exc()
        return f"### Failed: {name}\n\n{error}", None
    when = datetime.now(UTC)
    taken = (
        f"Taken {when:%Y-%m-%d %H:%M} UTC in {time.monotonic() - began:.0f} s; keygenreg {version()}; "
        f"{bench.options.rounds} rounds of {bench.options.seconds} s; load average before: {load:.1f}; {description()}."
    )
    return text_of(section, taken), section.data() | {"taken": when.isoformat()}


if __name__ == "__main__":
    sys.exit(main())
