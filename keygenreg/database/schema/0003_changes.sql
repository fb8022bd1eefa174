-- Every change of what answers are made from is told to all processes: by NOTIFY, once committed, and by a notice to the
-- session that makes it, which can so pass it on before it answers. Messages: "catalogue ACCOUNT", "bearers ACCOUNT",
-- "account ACCOUNT" for both, "everything". Each is told once in a transaction.

CREATE FUNCTION tell_change(message text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    told text := coalesce(current_setting('keygenreg.told', true), '');
BEGIN
    IF length(told) > 1500 THEN
        message := 'everything';
    END IF;
    IF position(message || ';' IN told) > 0 THEN
        RETURN;
    END IF;
    PERFORM set_config('keygenreg.told', told || message || ';', true);
    PERFORM pg_notify('registry_changed', message);
    RAISE NOTICE 'registry_changed %', message;
END $$;

CREATE FUNCTION tell_changed_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account uuid;
BEGIN
    FOR account IN SELECT DISTINCT account_id FROM changed LOOP
        PERFORM tell_change(TG_ARGV[0] || ' ' || account);
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_everything_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tell_change('everything');
    RETURN NULL;
END $$;

DO $$
DECLARE
    source record;
    event text;
BEGIN
    FOR source IN SELECT * FROM (VALUES
        ('catalogue', 'packages'), ('catalogue', 'releases'), ('catalogue', 'artifacts'), ('catalogue', 'constraints'),
        ('catalogue', 'manifests'), ('catalogue', 'descriptors'), ('catalogue', 'entitlements'),
        ('catalogue', 'claimed_names'),
        ('bearers', 'licenses'), ('bearers', 'license_users'), ('bearers', 'license_entitlements'),
        ('bearers', 'policies'), ('bearers', 'policy_entitlements'), ('bearers', 'users'), ('bearers', 'tokens'),
        ('account', 'products'), ('account', 'environments')
    ) AS sources (kind, name) LOOP
        FOREACH event IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
            EXECUTE format(
                'CREATE TRIGGER %I AFTER %s ON %I REFERENCING %s TABLE AS changed FOR EACH STATEMENT '
                'EXECUTE FUNCTION tell_changed_accounts(%L)',
                source.name || '_tell_' || lower(event), event, source.name,
                CASE event WHEN 'DELETE' THEN 'OLD' ELSE 'NEW' END, source.kind);
        END LOOP;
        EXECUTE format(
            'CREATE TRIGGER %I AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION tell_everything_changed()',
            source.name || '_tell_truncate', source.name);
    END LOOP;
END $$;
CREATE TRIGGER accounts_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON accounts
    FOR EACH STATEMENT EXECUTE FUNCTION tell_everything_changed();

-- The date that licenses are compared with; see access/views.py.
CREATE INDEX releases_effective ON releases (account_id, (coalesce(backdated, created)));
