"""``keygenreg serve``: the daemon in the foreground."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
from twisted.internet import reactor

from keygenreg.assembly.log import begin_logging
from keygenreg.assembly.service import make_service
from keygenreg.command.configured import config_option, load_settings, read_settings, setting_option
from keygenreg.running import Daemon


@click.command(
    epilog="Exit status: 0 after SIGTERM or SIGINT, 2 wrong settings or options, 3 data directory in use, "
    "4 port in use, 5 database or data directory unusable, 1 anything else."
)
@setting_option("data-dir", "DIR")
@setting_option("port", "N")
@setting_option("host", "ADDRESS")
@setting_option("mode", "singleplayer|multiplayer")
@setting_option("domain", "NAME")
@setting_option("delivery", "stream|redirect")
@setting_option("workers", "N")
@config_option
def serve(config: Path | None, **options: Any) -> None:
    """Serve a registry in the foreground until SIGTERM or SIGINT.

    The log goes to standard error. SIGHUP reopens the access log and, with several workers, replaces them one after the
    other under settings read again. Without database.url in the settings, PostgreSQL runs embedded in the data
    directory. Options override KEYGENREG_* variables, which override the file.
    """
    settings = read_settings(config, options)
    begin_logging(settings.logging.level)
    service = make_service(settings, reread=partial(load_settings, config, options))
    daemon = Daemon(service, reactor, failed=service.failed)
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    reactor.callWhenRunning(daemon.startService)
    reactor.run()
    sys.exit(daemon.exit_status)
