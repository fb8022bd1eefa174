"""PyPI engine: the Simple Repository API in HTML and JSON, metadata siblings, and warehouse's project documents.

* Simple repository API: https://packaging.python.org/en/latest/specifications/simple-repository-api/
  (PEP 503, 592, 629, 658, 691, 700, 714, 792)
* Names and file names: https://packaging.python.org/en/latest/specifications/name-normalization/,
  https://packaging.python.org/en/latest/specifications/binary-distribution-format/ (PEP 427),
  https://packaging.python.org/en/latest/specifications/source-distribution-format/ (PEP 625, 643)
* Core metadata: https://packaging.python.org/en/latest/specifications/core-metadata/
* Project documents: https://docs.pypi.org/api/json/
"""

from __future__ import annotations

from keygenreg.engines.pypi.ingest import read
from keygenreg.engines.pypi.routes import resource
from keygenreg.web.engine import Engine

ENGINE = Engine(key="pypi", resource=resource, reader=read)
