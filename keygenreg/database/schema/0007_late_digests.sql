-- A blob may get further digests later than its first artifact, with an upload of the same bytes for another engine.
-- They show in what is made for everybody who has it. Counting references changes nothing that shows.
CREATE TRIGGER blobs_tell AFTER UPDATE OF size, sha512, sha1, md5 ON blobs FOR EACH ROW
    WHEN ((OLD.size, OLD.sha512, OLD.sha1, OLD.md5) IS DISTINCT FROM (NEW.size, NEW.sha512, NEW.sha1, NEW.md5))
    EXECUTE FUNCTION tell_everything_changed();
