"""Compressed archives of image layouts, unpacked into a temporary file that has no name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from zstandard import ZstdDecompressor, ZstdError

from keygenreg.domain.reading import IngestError
from keygenreg.formats.archives.gunzip import GzipStream

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_STEP = 1024 * 1024
#: What zstd itself takes without being asked to take more (``--long=27``), in bytes.
_LARGEST_WINDOW = 1 << 27


def unpacked(file: BinaryIO, *, scratch: Path, most: int) -> BinaryIO | None:
    """
    What a file that is compressed with gzip or zstd decompresses to, ``None`` for any other file.

    :param file: seekable; it is at its beginning afterwards where the answer is ``None``.
    :param scratch: a directory with room; the file leaves no trace there.
    :param most: bytes that may come out.
    :return: a file open for reading; the caller closes it.
    :raises IngestError: damaged, cut short, or larger than ``most``.
    """
    file.seek(0)
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(_GZIP):
        return _spooled(GzipStream(file, limit=most).read, scratch, most)
    if magic == _ZSTD:
        reader = ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(
            file, read_across_frames=True, closefd=False
        )
        return _spooled(reader.read, scratch, most)
    return None


def _spooled(read: Callable[[int], bytes], scratch: Path, most: int) -> BinaryIO:
    spool = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - it is the result
    try:
        total = 0
        while data := read(_STEP):
            total += len(data)
            if total > most:
                raise IngestError(
                    f"The archive decompresses to more than {most} bytes, which is the limit; upload it uncompressed "
                    "or let the registry's operator raise the limit."
                )
            spool.write(data)
        spool.flush()
    except ZstdError as error:
        spool.close()
        raise IngestError(f"The archive is no intact zstd file ({error}); upload it again.") from None
    except BaseException:
        spool.close()
        raise
    return spool
