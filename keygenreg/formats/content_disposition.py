"""The Content-Disposition header of a stored file: a name of any characters, put so that every client takes it."""

from __future__ import annotations

import re
from urllib.parse import quote

_LONGEST = 255
# Control characters, and what ends a quoted string or reads as a path on some system.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/:*?<>|%]')


def attachment(filename: str) -> str:
    """
    ``attachment`` with the last part of a name: as it is where it is plain ASCII, else a likeness of it, followed by
    the exact one in UTF-8.

    Source: RFC 6266, sections 4 and 5; RFC 8187, section 3.2.
    """
    name = filename.rpartition("/")[2][-_LONGEST:] or "file"
    likeness = _UNSAFE.sub("_", name.encode("ascii", "replace").decode("ascii").replace("?", "_"))
    header = f'attachment; filename="{likeness}"'
    if likeness == name:
        return header
    return f"{header}; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
