"""Hypothesis strategies for what the PyPI engine handles."""

from __future__ import annotations

import string
from datetime import UTC, datetime

from hypothesis import strategies as st

from keygenreg.engines.pypi import names
from keygenreg.engines.pypi.project import Project, ProjectFile, ProjectStatus

_ALPHANUMERIC = string.ascii_letters + string.digits

project_names = st.builds(
    lambda first, rest: "".join([first, *(separator + word for separator, word in rest)]),
    st.text(_ALPHANUMERIC, min_size=1, max_size=8),
    st.lists(
        st.tuples(st.sampled_from(["-", "_", ".", "--", "_.", "-_-"]), st.text(_ALPHANUMERIC, min_size=1, max_size=6)),
        max_size=3,
    ),
)

versions = st.builds(
    lambda epoch, release, pre, post, dev, local: f"{epoch}{'.'.join(map(str, release))}{pre}{post}{dev}{local}",
    st.sampled_from(["", "", "", "1!"]),
    st.lists(st.integers(0, 3000), min_size=1, max_size=4),
    st.sampled_from(["", "", "a1", "b2", "rc3"]),
    st.sampled_from(["", "", ".post4"]),
    st.sampled_from(["", "", ".dev5"]),
    st.sampled_from(["", "", "+cu118", "+abc.7"]),
)

_tag = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=12)


@st.composite
def wheel_names(draw, project):
    """A file name as build tools write it for this project."""
    escaped = names.normalize(project).replace("-", "_")
    build = draw(st.sampled_from(["", "", "-1", "-2local"]))
    python = draw(st.sampled_from(["py3", "py2.py3", "cp311", "pp310"]))
    return f"{escaped}-{draw(versions)}{build}-{python}-{draw(_tag)}-{draw(_tag)}.whl"


@st.composite
def sdist_names(draw, project):
    """A file name as new or old build tools write it for this project."""
    spelled = draw(st.sampled_from([project, names.normalize(project), names.normalize(project).replace("-", "_")]))
    return f"{spelled}-{draw(versions)}{draw(st.sampled_from(names.SDIST_SUFFIXES))}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)

_KNOWN_KEYS = (
    "requires_python", "yanked", "core_metadata", "core-metadata", "dist_info_metadata", "gpg_sig", "provenance",
    "Data_Yanked", "YANKED", "platform", "x onclick=alert(1)", 'a"b', "a>b", "a\nb", "", "-", "\u212aey",
)  # fmt: skip
user_metadata = st.dictionaries(st.sampled_from(_KNOWN_KEYS) | st.text(max_size=12), json_values, max_size=6)

_sha256 = st.text("0123456789abcdef", min_size=64, max_size=64)
_specifiers = st.sampled_from([None, ">=3.9", ">=3.8,<4", "~=3.10", "!=3.9.1"])


@st.composite
def project_files(draw, project):
    filename = draw(wheel_names(project) | sdist_names(project))
    distribution = names.distribution(filename, names.normalize(project))
    return ProjectFile(
        distribution=distribution,
        url=f"https://r.test/v1/accounts/a/artifacts/{draw(st.uuids())}/{filename.replace('+', '%2B')}",
        hashes={"sha256": draw(_sha256)} if draw(st.booleans()) else {},
        requires_python=draw(_specifiers),
        yanked=draw(st.sampled_from([False, True]) | st.text(max_size=20)),
        size=draw(st.integers(0, 2**40)),
        upload_time=draw(st.none() | st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(UTC))),
        core_metadata_sha256=draw(st.none() | _sha256),
        extra_attributes=draw(user_metadata),
    )


@st.composite
def projects(draw):
    name = draw(project_names)
    status = draw(st.sampled_from(["active", "active", "archived", "deprecated", "quarantined"]))
    return Project(
        name=names.normalize(name),
        display_name=name,
        files=tuple(draw(st.lists(project_files(name), max_size=4))),
        status=ProjectStatus(status, draw(st.none() | st.text(max_size=20))),
    )
