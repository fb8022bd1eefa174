"""Generated license keys."""

from __future__ import annotations

import re
import secrets

from keygenreg.domain.license_key import MAX_LENGTH, MIN_LENGTH, new_license_key


def test_the_form_of_a_generated_key():
    key = new_license_key(secrets.token_hex)
    assert re.fullmatch(r"([0-9A-F]{6}-){5}V3", key)
    assert MIN_LENGTH <= len(key) <= MAX_LENGTH


def test_the_random_bytes_decide():
    assert (
        new_license_key(lambda size: "4f09ac71d2b80e5c339a6f10d27b4e"[: size * 2])
        == "4F09AC-71D2B8-0E5C33-9A6F10-D27B4E-V3"
    )
    assert new_license_key(secrets.token_hex) != new_license_key(secrets.token_hex)
