"""Pages made of entries that are kept are the same as pages made from nothing, whatever has changed between them."""

from __future__ import annotations

import json
from functools import partial
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.engines.pypi import render
from keygenreg.engines.pypi.entries import Entries, Place
from keygenreg.engines.pypi.files import project_files
from keygenreg.engines.pypi.negotiation import Representation
from keygenreg.engines.pypi.project import Project, ProjectStatus
from keygenreg.engines.pypi.queries import OF_FILE
from keygenreg.web.links import artifact_url

_NAMES = ["acme-1.0-py3-none-any.whl", "dist/acme-1.0-py3-none-any.whl", "acme-1.0.0.tar.gz", "acme-2.0.zip",
          "acme-2.0+local.tar.gz", "acme-3.0rc1-cp311-cp311-linux_x86_64.whl", "b-1.0.tar.gz", "README"]  # fmt: skip
_METADATA = st.sampled_from(
    [{}, {"yanked": True}, {"yanked": "broken"}, {"yanked_reason": "late"}, {"requires_python": ">=3.12"},
     {"requires_python": ""}, {"provenance": "https://a.example/p"}, {"note": 'a"b<c>&d\n'}]
)  # fmt: skip


def _hex(digits):
    return st.sampled_from([None, "ab" * (digits // 2), "cd" * (digits // 2)])


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([str(UUID(int=1)), str(UUID(int=2))]),
            "filename": st.sampled_from(_NAMES),
            "checksum": st.sampled_from([None, "ef" * 32, "nonsense"]),
            "metadata": _METADATA,
            "created": st.sampled_from(["2031-05-06T07:08:09+00:00", "2031-05-06T07:08:09.12+00:00"]),
            "release_status": st.sampled_from(["PUBLISHED", "YANKED"]),
            "size": st.sampled_from([0, 7]),
            "sha256": _hex(64),
            "sha512": _hex(128),
            "sha1": _hex(40),
            "md5": _hex(32),
            "release_metadata": _METADATA,
            "requires_python": st.sampled_from([None, ">=3.9"]),
            "core_digest": st.sampled_from([None, "sha256:" + "12" * 32, "34" * 32]),
        }
    ).map(lambda row: {"of_file": json.dumps([row[name] for name in OF_FILE])}),
    max_size=8,
)
_STATUS = st.sampled_from([ProjectStatus(), ProjectStatus("archived", "done"), ProjectStatus("quarantined")])
_ASKED = st.tuples(_ROWS, st.sampled_from(list(Representation)), st.sampled_from(["http://a", "http://b"]), _STATUS)


def paged(entries, rows, representation, base, status):
    """The page as the route makes it."""
    found = {}
    for _ in entries.fill(found, rows, Place("acme", base, "account", representation.is_json)):
        pass
    project = Project(name="acme", display_name="Acme", status=status)
    return render.project_page(project, list(found.values()), account="demo", representation=representation)


def _files(rows, base):
    return project_files(rows, "acme", partial(artifact_url, base, "account"))


@settings(max_examples=60)
@given(st.lists(_ASKED, max_size=6))
def test_a_page_does_not_depend_on_what_is_kept(asked):
    """With little room, so that entries come and go; beside the page that is made of values."""
    entries = Entries(12_000)
    for rows, representation, base, status in asked:
        page = paged(entries, rows, representation, base, status)
        whole_project = Project(name="acme", display_name="Acme", files=_files(rows, base), status=status)
        whole = render.project_detail(whole_project, account="demo", representation=representation)
        assert (page.body, page.content_type) == (whole.body, whole.content_type)
        assert page == paged(Entries(0), rows, representation, base, status)


@given(_ASKED, _ASKED)
def test_tags_differ_exactly_where_pages_do(some, others):
    """Of one type: two types of the same bytes are two things."""
    first, second = paged(Entries(2**20), *some), paged(Entries(2**20), *others)
    same = (first.body, first.content_type) == (second.body, second.content_type)
    assert (first.etag == second.etag) == same
