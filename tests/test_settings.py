"""Settings: the reference file, where values come from, and what is refused."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.configuration import (
    KNOWN,
    ConfigurationError,
    Described,
    from_document,
    load,
    to_document,
)
from keygenreg.settings import Server, Settings

REFERENCE = Path(__file__).parent.parent / "config" / "keygenreg.toml"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "keygenreg.toml"
    file.write_text(text, "utf-8")
    return file


def flat(document: dict, path: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in document.items():
        within = isinstance(value, dict) and path + key not in KNOWN
        found |= flat(value, f"{path}{key}.") if within else {path + key: value}
    return found


class TestReferenceFile:
    """``config/keygenreg.toml`` tells people every setting."""

    def test_gives_the_defaults(self) -> None:
        """Starting with the file as it is, or without any, is the same."""
        assert load(file=REFERENCE) == Settings()

    def test_lists_every_setting_once(self) -> None:
        keys = re.findall(r"^(\w+) = ", REFERENCE.read_text("utf-8"), re.M)
        assert len(keys) == len(KNOWN)
        assert set(flat(tomllib.loads(REFERENCE.read_text("utf-8")))) == set(KNOWN)

    @pytest.mark.parametrize("setting", KNOWN.values(), ids=lambda setting: setting.name)
    def test_says_what_each_setting_means(self, setting: Described) -> None:
        """Above each key stand its meaning and what values it takes, units included."""
        section, _, key = setting.name.rpartition(".")
        table = REFERENCE.read_text("utf-8").partition(f"[{section}]\n")[2]
        comment = re.search(rf"((?:^# .*\n)+){key} = ", table, re.M).group(1)
        words = " ".join(comment.replace("\n#", " ").split())
        assert setting.doc in words
        assert setting.kind.expectation.lower() in words.lower()


class TestSources:
    """Defaults, file, environment and options, each over the one before."""

    def test_each_source_overrides_the_one_before(self, tmp_path: Path) -> None:
        file = written(tmp_path, "[server]\nport = 1\nhost = '127.0.0.1'\nworkers = 3\n")
        settings = load(
            file=file,
            environment={"KEYGENREG_SERVER_PORT": "2", "KEYGENREG_SERVER_WORKERS": "4"},
            options={"server.port": "5", "server.domain": None},
        )
        assert settings.server == Server(port=5, host="127.0.0.1", workers=4)

    def test_variables_reach_nested_sections(self) -> None:
        settings = load(environment={"KEYGENREG_UPSTREAM_PYPI_MODE": "deny"})
        assert settings.upstream.pypi.mode == "deny"

    def test_lists_and_flags_in_variables(self) -> None:
        settings = load(
            environment={
                "KEYGENREG_SERVER_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8",
                "KEYGENREG_SECURITY_UNIFORM_PASSWORD_ERRORS": "true",
            }
        )
        assert settings.server.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
        assert settings.security.uniform_password_errors

    def test_empty_text_takes_a_value_away(self, tmp_path: Path) -> None:
        file = written(tmp_path, "[server]\ndomain = 'example.com'\n")
        assert load(file=file, environment={"KEYGENREG_SERVER_DOMAIN": ""}).server.domain is None

    def test_other_variables_are_none_of_our_business(self) -> None:
        """The client's variables share the prefix, and a cluster may set more of them for a service of our name."""
        environment = {"KEYGENREG_URL": "https://x", "KEYGENREG_TOKEN": "t", "KEYGENREG_PORT": "tcp://10.0.0.1:80"}
        assert load(environment=environment) == Settings()

    def test_public_url_loses_its_trailing_slash(self) -> None:
        assert load(options={"server.public_url": "https://dl.example.com/"}).server.public_url == "https://dl.example.com"


class TestRefusals:
    """Errors name the place, the setting and what was expected."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("[server]\nport = '80'\n", "server.port: expected a whole number from 0 to 65535; got '80'"),
            ("[server]\nport = true\n", "server.port: expected a whole number"),
            ("[server]\nport = 65536\n", "server.port: expected a whole number from 0 to 65535; got 65536"),
            ("[server]\nprot = 80\n", "server.prot: there is no such setting (perhaps port)"),
            ("[sever]\nport = 80\n", "sever: there is no such section (perhaps server)"),
            ("server = 5\n", "server: expected a section, written [server]"),
            ("[server]\nmode = 'both'\n", "server.mode: expected one of singleplayer, multiplayer; got 'both'"),
            ("[server]\ntrusted_proxies = ['10.0.0/8']\n", "server.trusted_proxies: expected a list of addresses"),
            ("[server]\npublic_url = 'example.com'\n", "server.public_url: expected a URL"),
            ("[server]\npublic_url = 'http://h:port'\n", "server.public_url: expected a URL"),
            ("[server]\ndomain = 'Example.com'\n", "server.domain: expected a domain in lower case"),
            ("[server]\ndrain_seconds = inf\n", "server.drain_seconds: expected a number of seconds"),
            ("[delivery]\nlink_seconds = 3600.5\n", "delivery.link_seconds: expected a whole number of seconds"),
            ("[security]\nuniform_password_errors = 1\n", "expected true or false; got 1"),
            ("[storage]\ndata_dir = ''\n", "storage.data_dir: expected the path of a directory"),
            ("[upstream.npm]\nmode = 'redirect'\n", "expected mirror or deny, as clients would keep"),
            ("[upstream.pypi]\ndeny = ['a b']\n", "upstream.pypi.deny: expected a list of names where *"),
            ("[upstream.accounts.acme.oci]\nmode = 'deny'\n", "upstream.accounts: expected a setting of an engine"),
            (
                "[upstream.accounts.acme.pypi]\nmode = 'both'\n",
                "upstream.accounts: expected one of redirect, mirror, deny for acme.pypi.mode",
            ),
            ("port = \n", "is not TOML"),
        ],
    )
    def test_file(self, tmp_path: Path, text: str, expected: str) -> None:
        file = written(tmp_path, text)
        with pytest.raises(ConfigurationError) as caught:
            load(file=file)
        assert str(caught.value).startswith(f"{file}: ")
        assert expected in str(caught.value)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
            load(file=tmp_path / "none.toml")

    def test_misspelt_variable(self) -> None:
        with pytest.raises(ConfigurationError, match=r"KEYGENREG_SERVER_PROT.*perhaps KEYGENREG_SERVER_PORT"):
            load(environment={"KEYGENREG_SERVER_PROT": "80"})

    def test_variable_of_the_wrong_kind(self) -> None:
        with pytest.raises(ConfigurationError, match="KEYGENREG_SERVER_WORKERS: expected a whole number from 1 to 256"):
            load(environment={"KEYGENREG_SERVER_WORKERS": "many"})

    def test_option_of_the_wrong_kind(self) -> None:
        with pytest.raises(ConfigurationError, match="--data-dir: expected the path"):
            load(options={"storage.data_dir": ""})

    def test_password_of_the_database_is_not_repeated(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load(environment={"KEYGENREG_DATABASE_URL": "mysql://u:secret@host/db"})
        assert "secret" not in str(caught.value)

    def test_wrong_values_cannot_be_constructed(self) -> None:
        """Settings made in code keep the same bounds."""
        with pytest.raises(ValueError, match="from 0 to 65535"):
            Server(port=-1)

    @given(st.sampled_from(sorted(KNOWN)), st.text())
    def test_any_text_is_taken_or_refused_by_name(self, name: str, text: str) -> None:
        """No variable, whatever its text, fails in another way than with a sentence that names it."""
        variable = KNOWN[name].variable
        try:
            settings = load(environment={variable: text})
        except ConfigurationError as error:
            assert variable in str(error)
        else:
            assert from_document(to_document(settings)) == settings

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*(a.name for a in fields(Settings)), "pypi", "port", "url"]), inner),
        )
    )
    def test_any_document_is_taken_or_refused(self, value: object) -> None:
        document = value if isinstance(value, dict) else {"server": value}
        try:
            settings = from_document(document)
        except ConfigurationError as error:
            assert str(error).startswith("settings: ")
        else:
            assert from_document(to_document(settings)) == settings
