"""License keys: how a generated one looks and how long one may be (api.md 1.11)."""

from __future__ import annotations

from collections.abc import Callable

MIN_LENGTH = 6
MAX_LENGTH = 16384

_GROUP = 6
_RANDOM_BYTES = 15
_ENDING = "V3"


def new_license_key(token_hex: Callable[[int], str]) -> str:
    """
    A new key such as ``4F09AC-71D2B8-0E5C33-9A6F10-D27B4E-V3``: 120 random bits.

    :param token_hex: gives that many random bytes as hex; ``secrets.token_hex`` outside of tests.
    """
    digits = token_hex(_RANDOM_BYTES).upper()
    groups = [digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP)]
    return "-".join((*groups, _ENDING))
