"""Tags that image layouts give their images: an import finds them in a layout's index.json, a part of the archive."""

from __future__ import annotations

import orjson
from attrs import frozen

from keygenreg.domain.failures import NotFound
from keygenreg.dump.blocking_store import BlockingStore
from keygenreg.dump.distribution_kinds import DESCRIPTORS, MANIFESTS
from keygenreg.dump.staging import Staging
from keygenreg.formats.image_facts import tags_of_layout

#: More than any layout needs, in bytes; what is larger says nothing.
_LARGEST = 4 * 1024 * 1024

_INDEXES = """
SELECT d.artifact_id, coalesce(d.blob_sha256, right(d.content_digest, 64)) FROM stage_descriptors d
WHERE d.content_path IN ('index.json', './index.json') AND (d.blob_sha256 IS NOT NULL OR d.content_digest ~ %s)
  AND EXISTS (SELECT 1 FROM stage_manifests m WHERE m.artifact_id = d.artifact_id)
"""
_SHA256 = "^sha256:[0-9a-f]{64}$"
_NOTE = """
UPDATE stage_manifests SET facts = facts || %s::jsonb WHERE artifact_id = %s AND content_digest = %s
"""


@frozen
class LayoutTags:
    """Notes in staged manifests what the index.json of their archive says of them, as far as its bytes are there."""

    staging: Staging
    store: BlockingStore

    def note(self) -> None:
        if not {MANIFESTS, DESCRIPTORS} <= set(self.staging.kinds):
            return
        indexes = self.staging.query(_INDEXES, (_SHA256,))
        with self.staging.connection.cursor() as cursor:
            if indexes:
                cursor.execute("CREATE INDEX ON stage_manifests (artifact_id); ANALYZE stage_manifests")
            for artifact, sha256 in indexes:
                for digest, tags in tags_of_layout(self._text(sha256)).items():
                    facts = {"root": 1, "tags": tags} if tags else {"root": 1}
                    cursor.execute(_NOTE, (orjson.dumps(facts).decode(), artifact, digest))

    def _text(self, sha256: str) -> str:
        try:
            with self.store.open(sha256) as file:
                content = file.read(_LARGEST + 1)
        except NotFound:
            return ""
        return content.decode("utf-8", "replace") if len(content) <= _LARGEST else ""
