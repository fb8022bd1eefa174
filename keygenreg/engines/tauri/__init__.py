"""Tauri engine: a dynamic update server for the updaters of Tauri 1 and 2, and their static JSON document.

* Protocol: https://v2.tauri.app/plugin/updater/ and https://v1.tauri.app/v1/guides/distribution/updater
* Signatures: https://jedisct1.github.io/minisign/#signature-format
"""

from __future__ import annotations

from keygenreg.engines.tauri.routes import resource
from keygenreg.web.engine import Engine

ENGINE = Engine(key="tauri", resource=resource)
