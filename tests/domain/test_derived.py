"""Resources that exist because others name them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain import derived

ACCOUNT = UUID("6f0f5c0e-6a8e-4c8e-9d8b-2f4d7f6b1a01")


def test_ids_are_the_same_on_every_server():
    """The example that the dump format's description gives."""
    assert derived.derived_id(ACCOUNT, "platforms", "linux") == UUID("8c6814cf-f684-5fb4-b78e-2d8c26866c25")
    assert derived.derived_id(ACCOUNT, "platforms", "Linux") == derived.derived_id(ACCOUNT, "platforms", "linux")
    assert derived.derived_id(ACCOUNT, "arches", "linux") != derived.derived_id(ACCOUNT, "platforms", "linux")


@given(st.text(), st.uuids())
def test_any_key_has_an_id_in_any_account(key, account):
    assert derived.derived_id(account, "filetypes", key).version == 5


def test_an_id_is_traced_back_to_its_key():
    id_ = derived.derived_id(ACCOUNT, "channels", "beta")
    assert derived.key_of_id(ACCOUNT, "channels", id_, ["stable", "beta"]) == "beta"
    assert derived.key_of_id(ACCOUNT, "channels", id_, ["stable"]) is None


def test_engines_have_names_and_others_have_none():
    names = [derived.derived_name("engines", key) for key in derived.ENGINES]
    assert names == ["PyPI", "Tauri", "Raw", "Rubygems", "npm", "oci"]
    assert derived.derived_name("platforms", "pypi") is None
    assert derived.derived_name("engines", "cargo") is None


def test_they_are_as_old_as_the_oldest_that_names_them():
    old, new = datetime(2030, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
    assert derived.earliest([("Linux", new), ("linux", old), ("darwin", new)]) == {"linux": old, "darwin": new}
