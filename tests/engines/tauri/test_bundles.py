"""Which bundle an updater gets, as tables for the bundle sets of Tauri 1 and 2."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.engines.tauri.bundles import KINDS, Updater, choose, is_archive, kind_of

V1 = {
    "linux": ["app_1.AppImage", "app_1.AppImage.tar.gz", "app_1.AppImage.tar.gz.sig", "app_1.deb"],
    "darwin": ["app.app.tar.gz", "app.app.tar.gz.sig", "app_1.dmg"],
    "windows": ["app_1.msi", "app_1.msi.zip", "app_1-setup.exe", "app_1-setup.nsis.zip", "app_1-setup.nsis.zip.sig"],
}
V2 = {
    "linux": ["app_1.AppImage", "app_1.AppImage.sig", "app_1.deb", "app_1.deb.sig", "app_1.rpm"],
    "darwin": ["app.app.tar.gz", "app.app.tar.gz.sig", "app_1.dmg"],
    "windows": ["app_1.msi", "app_1.msi.sig", "app_1-setup.exe", "app_1-setup.exe.sig"],
}


def pick(files: list[str], platform: str, *, user_agent: str = "", bundle: str | None = None) -> str | None:
    """The choice among file names; those with ``*`` at the end are signed, and all are when none has it."""
    any_marked = any(name.endswith("*") for name in files)

    def described(name: str) -> tuple[str, str | None, bool]:
        bare = name.rstrip("*")
        filetype = bare.rpartition(".")[2].lower() if "." in bare else None
        return bare, filetype, name.endswith("*") or not any_marked

    found = choose(files, Updater.of(user_agent, bundle), platform=platform, described=described)
    return found and found.rstrip("*")


@pytest.mark.parametrize(
    ("files", "platform", "best"),
    [
        (V1, "linux", "app_1.AppImage.tar.gz"),
        (V1, "darwin", "app.app.tar.gz"),
        (V1, "windows", "app_1-setup.nsis.zip"),
        (V2, "linux", "app_1.AppImage"),
        (V2, "darwin", "app.app.tar.gz"),
        (V2, "windows", "app_1-setup.exe"),
    ],
)
def test_sets_of_both_generations(files: dict[str, list[str]], platform: str, best: str):
    """Whatever order the files were uploaded in."""
    for order in itertools.permutations(files[platform]):
        assert pick(list(order), platform) == best


@pytest.mark.parametrize(
    ("bundle", "platform", "best"),
    [
        ("deb", "linux", "app_1.deb"),
        ("rpm", "linux", "app_1.rpm"),
        ("appimage", "linux", "app_1.AppImage"),
        ("AppImage", "linux", "app_1.AppImage"),
        ("unknown", "linux", "app_1.AppImage"),
        ("{{bundle_type}}", "linux", "app_1.AppImage"),
        ("msi", "windows", "app_1.msi"),
        ("nsis", "windows", "app_1-setup.exe"),
        ("app", "darwin", "app.app.tar.gz"),
    ],
)
def test_updaters_that_say_how_they_were_installed(bundle: str, platform: str, best: str):
    assert pick(V2[platform], platform, bundle=bundle) == best


@pytest.mark.parametrize(
    ("files", "platform", "bundle", "best"),
    [
        (["a.AppImage"], "linux", "deb", None),
        (["a.deb"], "linux", "appimage", None),
        (["a.deb"], "linux", "rpm", None),
        (["a.msi"], "windows", "nsis", "a.msi"),
        (["a.exe"], "windows", "msi", "a.exe"),
        (["a.deb", "a.rpm"], "linux", None, "a.deb"),
        (["a.dmg"], "darwin", None, None),
        (["a.sig", "a.txt", "latest.json", "SHA256SUMS"], "linux", None, None),
        (["a.custom"], "linux", "deb", "a.custom"),
        (["a.tar.gz", "a.exe"], "windows", None, "a.tar.gz"),
        (["old.msi*", "new.exe"], "windows", None, "old.msi"),
        (["a.AppImage.tar.gz", "a.AppImage*"], "linux", None, "a.AppImage"),
        ([], "linux", None, None),
    ],
)
def test_what_is_left_over(files: list[str], platform: str, bundle: str | None, best: str | None):
    """Another kind would break the installation; what is signed comes before what no updater would accept."""
    assert pick(files, platform, bundle=bundle) == best


def test_the_first_generation_gets_archives_only():
    for platform in ("linux", "darwin", "windows", "macos"):
        assert is_archive(pick(V1.get(platform, V1["darwin"]), platform, user_agent="tauri/updater"), None)
    assert pick(V2["linux"], "linux", user_agent="tauri/updater") is None
    assert pick(V2["linux"], "linux", user_agent="tauri-plugin-updater/2.9.0") == "app_1.AppImage"


def test_of_equals_the_newest():
    assert pick(["new.exe", "old.exe"], "windows") == "new.exe"


@pytest.mark.parametrize(
    ("filename", "filetype", "kind"),
    [
        ("dir/App.AppImage", None, "appimage"),
        ("App", "appimage", "appimage"),
        ("setup", "exe", "nsis"),
        ("setup", None, None),
        ("x.sig", "sig", None),
        ("x.apk", "apk", "other"),
        ("x.", None, None),
    ],
)
def test_kinds(filename: str, filetype: str | None, kind: str | None):
    assert kind_of(filename, filetype) == kind


_NAMES = st.one_of(
    st.text(max_size=12), st.sampled_from([name for files in (V1, V2) for names in files.values() for name in names])
)


@given(
    files=st.lists(_NAMES, max_size=6),
    platform=st.sampled_from(["linux", "darwin", "windows", "plan9"]),
    bundle=st.none() | st.sampled_from(KINDS) | st.text(max_size=5),
    user_agent=st.sampled_from(["", "tauri/updater", "tauri-plugin-updater/2"]),
)
def test_never_a_signature_nor_a_disk_image(files: list[str], platform: str, bundle: str | None, user_agent: str):
    best = pick(files, platform, user_agent=user_agent, bundle=bundle)
    assert best is None or (best in [name.rstrip("*") for name in files] and kind_of(best, None) is not None)
    assert best is None or not best.lower().endswith((".sig", ".dmg"))
