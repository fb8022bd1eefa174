-- What a manifest of an image says itself, where an import has brought it and no reader has seen its archive: the same
-- members as in metadata, which stay as the dump has them. Where both have a member, that of metadata counts.
ALTER TABLE manifests ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';
CREATE INDEX manifests_facts_subject ON manifests ((facts ->> 'subject') text_pattern_ops) WHERE facts ? 'subject';
CREATE INDEX manifests_facts_tags ON manifests USING gin ((facts -> 'tags')) WHERE facts ? 'tags';
