-- What the OCI engine looks for: referrers by subject, tags of image layouts, and the account of a license key.

CREATE INDEX manifests_subject ON manifests ((metadata ->> 'subject') text_pattern_ops) WHERE metadata ? 'subject';
CREATE INDEX manifests_tags ON manifests USING gin ((metadata -> 'tags')) WHERE metadata ? 'tags';
CREATE INDEX licenses_key_digest ON licenses (key_digest);
