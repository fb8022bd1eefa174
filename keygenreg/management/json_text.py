"""Request bodies as JSON values (api.md 2.2)."""

from __future__ import annotations

from typing import Any

import orjson

from keygenreg.domain.failures import BadRequest


def parse_json(raw: bytes) -> Any:
    """
    :raises BadRequest: ``JSON_INVALID``, or ``ENCODING_INVALID`` for text that is not UTF-8 or holds a NUL.
    """
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.", "ENCODING_INVALID") from None
    if b"\0" in raw:
        raise BadRequest("The body holds a NUL.", "ENCODING_INVALID")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.", "JSON_INVALID") from None
    if b"\\u0000" in raw and _holds_nul(document):
        raise BadRequest("The body holds a NUL.", "ENCODING_INVALID")
    return document


def _holds_nul(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and "\0" in item:
            return True
        if isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False
