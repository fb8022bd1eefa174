-- What other registries gave us to pass on. Rows are of one account, as the rules, credentials and claims are; bytes of
-- files are in the blob store, once, whoever's they are. Deleting a row is always safe: it is fetched again.

-- A document of an upstream about one name (a project's page, a packument), as it came, deflated.
CREATE TABLE mirrored_documents (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    engine text NOT NULL,
    name text NOT NULL,
    -- The form in which names are claimed.
    claim text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED,
    variant text NOT NULL,
    upstream text NOT NULL,
    -- Changes with the content, so that what was made of it is known to be of this content.
    revision uuid NOT NULL,
    url text NOT NULL,
    content_type text NOT NULL,
    body bytea NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    etag text,
    last_modified text,
    serial bigint,
    fetched timestamptz NOT NULL,
    fresh_until timestamptz NOT NULL,
    accessed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, engine, name, variant)
);
CREATE INDEX mirrored_documents_claim ON mirrored_documents (account_id, engine, claim);
CREATE INDEX mirrored_documents_accessed ON mirrored_documents (account_id, engine, accessed);

-- A file that an upstream lists and whose bytes we have, verified. "digest" is how our URLs tell its content.
CREATE TABLE mirrored_files (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    engine text NOT NULL,
    name text NOT NULL,
    claim text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED,
    key text NOT NULL,
    digest text NOT NULL,
    upstream text NOT NULL,
    url text NOT NULL,
    blob_sha256 text NOT NULL REFERENCES blobs,
    size bigint NOT NULL CHECK (size >= 0),
    content_type text NOT NULL,
    uploaded timestamptz,
    stored timestamptz NOT NULL DEFAULT now(),
    accessed timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, engine, name, key, digest)
);
CREATE INDEX mirrored_files_claim ON mirrored_files (account_id, engine, claim);
CREATE INDEX mirrored_files_accessed ON mirrored_files (account_id, engine, accessed);
CREATE INDEX mirrored_files_blob ON mirrored_files (blob_sha256);
CREATE TRIGGER mirrored_files_blob_references AFTER INSERT OR DELETE OR UPDATE OF blob_sha256 ON mirrored_files
    FOR EACH ROW EXECUTE FUNCTION count_blob_references();

-- A name that is made here is ours from then on, for every protocol that looks names up upstream.
CREATE OR REPLACE FUNCTION claim_package_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.engine IN ('pypi', 'npm', 'rubygems') THEN
        INSERT INTO claimed_names (account_id, engine, name)
            VALUES (NEW.account_id, NEW.engine, coalesce(NEW.pypi_name, lower(NEW.key))) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
INSERT INTO claimed_names (account_id, engine, name)
    SELECT account_id, engine, lower(key) FROM packages WHERE engine IN ('npm', 'rubygems') ON CONFLICT DO NOTHING;

-- Upstream's copies of a claimed name go with the claim. What a fetch under way stores after that is never served, as
-- every look-up asks for claims first, and is swept.
CREATE FUNCTION purge_claimed_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM mirrored_documents d USING added a
        WHERE d.account_id = a.account_id AND d.engine = a.engine AND d.claim = a.name;
    DELETE FROM mirrored_files f USING added a
        WHERE f.account_id = a.account_id AND f.engine = a.engine AND f.claim = a.name;
    RETURN NULL;
END $$;
CREATE TRIGGER claimed_names_purge AFTER INSERT ON claimed_names REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION purge_claimed_names();
