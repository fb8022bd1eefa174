-- What upstreams have under names that are claimed here. Told to operators; no answer to a client is made from it.
CREATE TABLE claims_upstream (
    account_id uuid NOT NULL,
    engine text NOT NULL,
    name text NOT NULL,
    -- When upstream is to be asked. Whoever is about to ask puts it off first, so that nobody else does.
    due timestamptz NOT NULL,
    -- Whom we asked last, and when it answered.
    upstream text,
    asked timestamptz,
    -- Since when we know that the name exists there.
    since timestamptz,
    PRIMARY KEY (account_id, engine, name),
    FOREIGN KEY (account_id, engine, name) REFERENCES claimed_names ON DELETE CASCADE
);
CREATE INDEX claims_upstream_due ON claims_upstream (engine, due);
CREATE INDEX claims_upstream_account_due ON claims_upstream (account_id, engine, due);
CREATE INDEX claims_upstream_colliding ON claims_upstream (engine) WHERE since IS NOT NULL;

CREATE FUNCTION note_claims_upstream() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO claims_upstream (account_id, engine, name, due)
        SELECT account_id, engine, name, now() FROM added ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER claimed_names_note AFTER INSERT ON claimed_names REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_claims_upstream();
-- Not all at once.
INSERT INTO claims_upstream (account_id, engine, name, due)
    SELECT account_id, engine, name, now() + random() * interval '1 hour' FROM claimed_names;
