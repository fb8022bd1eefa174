"""Pages that are made of entries."""

from __future__ import annotations

import json
from functools import partial
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from keygenreg.engines.pypi import render
from keygenreg.engines.pypi.entries import Place, entry, first_of_each
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


def paged(rows, representation, base, status):
    """The page as the route makes it."""
    place = Place("acme", base, "account", representation.is_json)
    entries = [made for row in rows if (made := entry(row, place)) is not None]
    project = Project(name="acme", display_name="Acme", status=status)
    return render.project_page(project, first_of_each(entries), account="demo", representation=representation)


def _files(rows, base):
    return project_files(rows, "acme", partial(artifact_url, base, "account"))


@settings(max_examples=60)
@given(_ASKED)
def test_a_page_of_entries_is_the_one_that_is_made_of_values(asked):
    rows, representation, base, status = asked
    page = paged(rows, representation, base, status)
    whole_project = Project(name="acme", display_name="Acme", files=_files(rows, base), status=status)
    whole = render.project_detail(whole_project, account="demo", representation=representation)
    assert (page.body, page.content_type) == (whole.body, whole.content_type)


@given(_ASKED, _ASKED)
def test_tags_differ_exactly_where_pages_do(some, others):
    """Of one type: two types of the same bytes are two things."""
    first, second = paged(*some), paged(*others)
    same = (first.body, first.content_type) == (second.body, second.content_type)
    assert (first.etag == second.etag) == same
