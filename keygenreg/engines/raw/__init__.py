"""Raw engine: files by product, release and name, for curl, wget, scripts and installers.

It belongs to no ecosystem; its addresses are those of engines.md 6. Side files have the form of coreutils:
https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html
"""

from __future__ import annotations

from keygenreg.engines.raw.routes import resource
from keygenreg.web.engine import Engine

ENGINE = Engine(key="raw", resource=resource)
