-- Rows that entries of package documents are made from have editions: who has made an entry can tell with little reading
-- whether it is still good. They are random and not counted, so that one never stands for two states of a row: not after
-- a backup was restored, and not where a record comes again under its old id.
ALTER TABLE packages ADD COLUMN edition uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE releases ADD COLUMN edition uuid NOT NULL DEFAULT gen_random_uuid();
ALTER TABLE artifacts ADD COLUMN edition uuid NOT NULL DEFAULT gen_random_uuid();
-- They were written anew, which loses what the planner knew of them.
DO $$
BEGIN
    IF EXISTS (SELECT FROM releases) THEN
        ANALYZE packages, releases, artifacts;
    END IF;
END $$;

CREATE FUNCTION renew_edition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.edition := gen_random_uuid();
    RETURN NEW;
END $$;
CREATE TRIGGER packages_renew BEFORE UPDATE ON packages FOR EACH ROW EXECUTE FUNCTION renew_edition();
CREATE TRIGGER releases_renew BEFORE UPDATE ON releases FOR EACH ROW EXECUTE FUNCTION renew_edition();
CREATE TRIGGER artifacts_renew BEFORE UPDATE ON artifacts FOR EACH ROW EXECUTE FUNCTION renew_edition();

-- An artifact's edition stands for its manifests too, and for the size and the digests of its blob. Nobody has seen the
-- edition of a row that this transaction has written: so an import, which brings both, writes artifacts once.
CREATE FUNCTION renew_editions_of_manifests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE artifacts SET edition = gen_random_uuid()
        WHERE id IN (SELECT artifact_id FROM changed) AND xmin <> pg_current_xact_id()::xid;
    RETURN NULL;
END $$;
CREATE TRIGGER manifests_renew_insert AFTER INSERT ON manifests REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_editions_of_manifests();
CREATE TRIGGER manifests_renew_delete AFTER DELETE ON manifests REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_editions_of_manifests();
CREATE TRIGGER manifests_renew_update AFTER UPDATE ON manifests REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_editions_of_manifests();
-- A manifest that is given to another artifact is one of the old one's no more.
CREATE TRIGGER manifests_renew_given_away AFTER UPDATE ON manifests REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION renew_editions_of_manifests();

-- None escapes: whoever gives an artifact a blob holds the blob's row until then, as references are counted there. Two who
-- wait for each other are told apart by PostgreSQL, and the one is repeated.
CREATE FUNCTION renew_editions_of_blob() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE artifacts SET edition = gen_random_uuid() WHERE blob_sha256 = NEW.sha256;
    RETURN NULL;
END $$;
CREATE TRIGGER blobs_renew AFTER UPDATE OF size, sha512, sha1, md5 ON blobs FOR EACH ROW
    WHEN ((OLD.size, OLD.sha512, OLD.sha1, OLD.md5) IS DISTINCT FROM (NEW.size, NEW.sha512, NEW.sha1, NEW.md5))
    EXECUTE FUNCTION renew_editions_of_blob();

CREATE FUNCTION renew_all_editions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE artifacts SET edition = gen_random_uuid();
    RETURN NULL;
END $$;
CREATE TRIGGER manifests_renew_truncate AFTER TRUNCATE ON manifests
    FOR EACH STATEMENT EXECUTE FUNCTION renew_all_editions();
