-- The whole data model (accounts to artifacts), with the constraints that keep it true.
-- Every record belongs to one account; composite foreign keys make a reference across accounts impossible.
-- "ordinal" orders records made within one microsecond (an import of one moment) as they came.

CREATE SEQUENCE record_ordinal;

-- One row: what all processes and machines of an installation share.
CREATE TABLE installation (
    "only" boolean PRIMARY KEY DEFAULT true CHECK ("only"),
    signing_key bytea NOT NULL CHECK (length(signing_key) = 32),
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text,
    status text NOT NULL DEFAULT 'SUBSCRIBED'
        CHECK (status IN ('PENDING', 'TRIALING', 'SUBSCRIBED', 'CANCELING', 'PAUSED', 'CANCELED')),
    protected boolean NOT NULL DEFAULT false,
    api_version text,
    cname text,
    domain text,
    settings jsonb NOT NULL DEFAULT '{}',
    secret_key text NOT NULL,
    ed25519_private_key text NOT NULL,
    rsa_private_key text NOT NULL,
    ecdsa_private_key text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal')
);
CREATE UNIQUE INDEX accounts_cname ON accounts (lower(cname)) WHERE cname IS NOT NULL;
CREATE UNIQUE INDEX accounts_domain ON accounts (lower(domain)) WHERE domain IS NOT NULL;

CREATE TABLE environments (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    code text NOT NULL,
    name text NOT NULL,
    isolation_strategy text NOT NULL DEFAULT 'ISOLATED' CHECK (isolation_strategy IN ('ISOLATED', 'SHARED')),
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id)
);
CREATE UNIQUE INDEX environments_code ON environments (account_id, lower(code));

CREATE TABLE entitlements (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    code text NOT NULL,
    name text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX entitlements_code ON entitlements (account_id, lower(code));
CREATE INDEX entitlements_listing ON entitlements (account_id, created DESC, ordinal DESC);

CREATE TABLE products (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    name text NOT NULL,
    code text,
    distribution_strategy text NOT NULL DEFAULT 'LICENSED'
        CHECK (distribution_strategy IN ('LICENSED', 'OPEN', 'CLOSED')),
    url text,
    platforms text[],
    permissions text[],
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX products_code ON products (account_id, lower(code)) WHERE code IS NOT NULL;
CREATE INDEX products_listing ON products (account_id, created DESC, ordinal DESC);

CREATE TABLE policies (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    product_id uuid NOT NULL,
    name text NOT NULL,
    duration bigint,
    strict boolean NOT NULL DEFAULT false,
    use_pool boolean NOT NULL DEFAULT false,
    encrypted boolean NOT NULL DEFAULT false,
    protected boolean NOT NULL DEFAULT false,
    floating boolean NOT NULL DEFAULT false,
    max_machines bigint,
    max_processes bigint,
    max_users bigint,
    max_cores bigint,
    max_memory bigint,
    max_disk bigint,
    max_uses bigint,
    expiration_strategy text NOT NULL DEFAULT 'RESTRICT_ACCESS' CHECK (expiration_strategy IN
        ('RESTRICT_ACCESS', 'REVOKE_ACCESS', 'MAINTAIN_ACCESS', 'ALLOW_ACCESS')),
    expiration_basis text NOT NULL DEFAULT 'FROM_CREATION' CHECK (expiration_basis IN
        ('FROM_CREATION', 'FROM_FIRST_VALIDATION', 'FROM_FIRST_ACTIVATION', 'FROM_FIRST_DOWNLOAD', 'FROM_FIRST_USE')),
    renewal_basis text NOT NULL DEFAULT 'FROM_EXPIRY' CHECK (renewal_basis IN
        ('FROM_EXPIRY', 'FROM_NOW', 'FROM_NOW_IF_EXPIRED')),
    transfer_strategy text NOT NULL DEFAULT 'KEEP_EXPIRY' CHECK (transfer_strategy IN ('KEEP_EXPIRY', 'RESET_EXPIRY')),
    authentication_strategy text NOT NULL DEFAULT 'TOKEN' CHECK (authentication_strategy IN
        ('TOKEN', 'LICENSE', 'SESSION', 'MIXED', 'NONE')),
    overage_strategy text NOT NULL DEFAULT 'NO_OVERAGE' CHECK (overage_strategy IN
        ('NO_OVERAGE', 'ALWAYS_ALLOW_OVERAGE', 'ALLOW_1_25X_OVERAGE', 'ALLOW_1_5X_OVERAGE', 'ALLOW_2X_OVERAGE')),
    machine_uniqueness_strategy text NOT NULL DEFAULT 'UNIQUE_PER_LICENSE',
    machine_matching_strategy text NOT NULL DEFAULT 'MATCH_ANY',
    component_uniqueness_strategy text NOT NULL DEFAULT 'UNIQUE_PER_MACHINE',
    component_matching_strategy text NOT NULL DEFAULT 'MATCH_ANY',
    machine_leasing_strategy text NOT NULL DEFAULT 'PER_LICENSE',
    process_leasing_strategy text NOT NULL DEFAULT 'PER_MACHINE',
    heartbeat_duration bigint,
    heartbeat_cull_strategy text NOT NULL DEFAULT 'DEACTIVATE_DEAD',
    heartbeat_resurrection_strategy text NOT NULL DEFAULT 'NO_REVIVE',
    heartbeat_basis text NOT NULL DEFAULT 'FROM_FIRST_PING' CHECK (heartbeat_basis IN
        ('FROM_CREATION', 'FROM_FIRST_PING')),
    require_heartbeat boolean NOT NULL DEFAULT false,
    require_check_in boolean NOT NULL DEFAULT false,
    check_in_interval text CHECK (check_in_interval IN ('day', 'week', 'month', 'year')),
    check_in_interval_count bigint,
    require_product_scope boolean NOT NULL DEFAULT false,
    require_policy_scope boolean NOT NULL DEFAULT false,
    require_machine_scope boolean NOT NULL DEFAULT false,
    require_fingerprint_scope boolean NOT NULL DEFAULT false,
    require_components_scope boolean NOT NULL DEFAULT false,
    require_user_scope boolean NOT NULL DEFAULT false,
    require_checksum_scope boolean NOT NULL DEFAULT false,
    require_version_scope boolean NOT NULL DEFAULT false,
    require_environment_scope boolean NOT NULL DEFAULT false,
    scheme text,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (product_id, account_id) REFERENCES products (id, account_id) ON DELETE CASCADE
);
CREATE INDEX policies_product ON policies (product_id);
CREATE INDEX policies_listing ON policies (account_id, created DESC, ordinal DESC);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    email text NOT NULL,
    first_name text,
    last_name text,
    role text NOT NULL DEFAULT 'user' CHECK (role IN
        ('admin', 'developer', 'read-only', 'sales-agent', 'support-agent', 'user')),
    banned timestamptz,
    password_hash text,
    password_reset_sent timestamptz,
    password_reset_digest text,
    permissions text[],
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX users_email ON users (account_id, lower(email));
CREATE INDEX users_listing ON users (account_id, created DESC, ordinal DESC);

-- Keys may be 16 KiB long, more than an index entry holds: they are found and kept unique by digest.
CREATE FUNCTION license_key_digest(key text) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN sha256(convert_to(key, 'UTF8'));

CREATE TABLE licenses (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    policy_id uuid NOT NULL,
    owner_id uuid,
    key text NOT NULL,
    key_digest bytea NOT NULL GENERATED ALWAYS AS (license_key_digest(key)) STORED,
    name text,
    expiry timestamptz,
    uses bigint NOT NULL DEFAULT 0,
    suspended boolean NOT NULL DEFAULT false,
    protected boolean,
    max_machines bigint,
    max_processes bigint,
    max_users bigint,
    max_cores bigint,
    max_memory bigint,
    max_disk bigint,
    max_uses bigint,
    version text,
    last_validated_checksum text,
    last_validated timestamptz,
    last_check_in timestamptz,
    last_check_out timestamptz,
    permissions text[],
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    UNIQUE (account_id, key_digest),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (policy_id, account_id) REFERENCES policies (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (owner_id, account_id) REFERENCES users (id, account_id) ON DELETE CASCADE
);
CREATE INDEX licenses_policy ON licenses (policy_id);
CREATE INDEX licenses_owner ON licenses (owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX licenses_listing ON licenses (account_id, created DESC, ordinal DESC);

CREATE TABLE license_users (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    license_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (license_id, user_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (license_id, account_id) REFERENCES licenses (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (user_id, account_id) REFERENCES users (id, account_id) ON DELETE CASCADE
);
CREATE INDEX license_users_user ON license_users (user_id);

CREATE TABLE license_entitlements (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    license_id uuid NOT NULL,
    entitlement_id uuid NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (license_id, entitlement_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (license_id, account_id) REFERENCES licenses (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (entitlement_id, account_id) REFERENCES entitlements (id, account_id) ON DELETE CASCADE
);
CREATE INDEX license_entitlements_entitlement ON license_entitlements (entitlement_id);

CREATE TABLE policy_entitlements (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    policy_id uuid NOT NULL,
    entitlement_id uuid NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (policy_id, entitlement_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (policy_id, account_id) REFERENCES policies (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (entitlement_id, account_id) REFERENCES entitlements (id, account_id) ON DELETE CASCADE
);
CREATE INDEX policy_entitlements_entitlement ON policy_entitlements (entitlement_id);

-- The bearer is exactly one of four; a token dies with it. Only a keyed digest of the secret is stored.
CREATE TABLE tokens (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    bearer_user_id uuid,
    bearer_license_id uuid,
    bearer_product_id uuid,
    bearer_environment_id uuid,
    name text,
    digest text NOT NULL,
    expiry timestamptz,
    permissions text[],
    max_activations bigint,
    max_deactivations bigint,
    activations bigint NOT NULL DEFAULT 0,
    deactivations bigint NOT NULL DEFAULT 0,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (account_id, digest),
    CHECK (num_nonnulls(bearer_user_id, bearer_license_id, bearer_product_id, bearer_environment_id) = 1),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (bearer_user_id, account_id) REFERENCES users (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (bearer_license_id, account_id) REFERENCES licenses (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (bearer_product_id, account_id) REFERENCES products (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (bearer_environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE
);
CREATE INDEX tokens_user ON tokens (bearer_user_id) WHERE bearer_user_id IS NOT NULL;
CREATE INDEX tokens_license ON tokens (bearer_license_id) WHERE bearer_license_id IS NOT NULL;
CREATE INDEX tokens_product ON tokens (bearer_product_id) WHERE bearer_product_id IS NOT NULL;
CREATE INDEX tokens_environment ON tokens (bearer_environment_id) WHERE bearer_environment_id IS NOT NULL;
CREATE INDEX tokens_listing ON tokens (account_id, created DESC, ordinal DESC);

CREATE TABLE packages (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    product_id uuid NOT NULL,
    key text NOT NULL,
    name text NOT NULL,
    engine text CHECK (engine IN ('pypi', 'tauri', 'raw', 'rubygems', 'npm', 'oci')),
    -- PEP 503: how installers ask for it.
    pypi_name text GENERATED ALWAYS AS
        (CASE WHEN engine = 'pypi' THEN lower(regexp_replace(key, '[-_.]+', '-', 'g')) END) STORED,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    UNIQUE (id, product_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (product_id, account_id) REFERENCES products (id, account_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX packages_key ON packages (account_id, engine, key) NULLS NOT DISTINCT;
CREATE INDEX packages_by_key ON packages (account_id, key);
CREATE INDEX packages_pypi_name ON packages (account_id, pypi_name) WHERE pypi_name IS NOT NULL;
CREATE INDEX packages_product ON packages (product_id);
CREATE INDEX packages_listing ON packages (account_id, created DESC, ordinal DESC);

-- Names that must never be asked for upstream again, whatever became of the package (decision 17).
CREATE TABLE claimed_names (
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    engine text NOT NULL,
    name text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, engine, name)
);

CREATE FUNCTION claim_package_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.pypi_name IS NOT NULL THEN
        INSERT INTO claimed_names (account_id, engine, name) VALUES (NEW.account_id, 'pypi', NEW.pypi_name)
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER packages_claim AFTER INSERT OR UPDATE OF key, engine ON packages
    FOR EACH ROW EXECUTE FUNCTION claim_package_name();

CREATE TABLE releases (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    product_id uuid NOT NULL,
    package_id uuid,
    version text NOT NULL,
    -- Bytewise order of this text is the order of versions (domain/version.py, sort_key).
    version_key text COLLATE "C" NOT NULL,
    channel text NOT NULL CHECK (channel IN ('stable', 'rc', 'beta', 'alpha', 'dev')),
    status text NOT NULL DEFAULT 'DRAFT' CHECK (status IN ('DRAFT', 'PUBLISHED', 'YANKED')),
    tag text,
    name text,
    description text,
    api_version text,
    backdated timestamptz,
    yanked timestamptz,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (product_id, account_id) REFERENCES products (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (package_id, product_id) REFERENCES packages (id, product_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX releases_version ON releases (product_id, package_id, version) NULLS NOT DISTINCT
    WHERE api_version IS DISTINCT FROM '1.0';
CREATE UNIQUE INDEX releases_tag ON releases (product_id, package_id, tag) NULLS NOT DISTINCT
    WHERE tag IS NOT NULL AND tag <> '';
CREATE INDEX releases_product ON releases (product_id);
CREATE INDEX releases_by_version ON releases (account_id, version);
CREATE INDEX releases_by_tag ON releases (account_id, tag) WHERE tag IS NOT NULL;
CREATE INDEX releases_package ON releases (package_id, version_key DESC);
CREATE INDEX releases_listing ON releases (account_id, created DESC, ordinal DESC);

-- What is in the blob store, counted; digests are lower-case hex. A blob that nobody refers to is collected later.
CREATE TABLE blobs (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL CHECK (size >= 0),
    sha512 text,
    sha1 text,
    md5 text,
    reference_count bigint NOT NULL DEFAULT 0 CHECK (reference_count >= 0),
    unreferenced timestamptz DEFAULT now(),
    created timestamptz NOT NULL DEFAULT now(),
    CHECK ((reference_count = 0) = (unreferenced IS NOT NULL))
);
CREATE INDEX blobs_unreferenced ON blobs (unreferenced) WHERE reference_count = 0;

CREATE TABLE artifacts (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    release_id uuid NOT NULL,
    filename text NOT NULL,
    filetype text,
    filesize bigint,
    platform text,
    arch text,
    checksum text,
    signature text,
    status text NOT NULL DEFAULT 'WAITING' CHECK (status IN ('WAITING', 'PROCESSING', 'UPLOADED', 'FAILED', 'YANKED')),
    failure_reason text,
    -- Made here, so we see to it that it does not wait for ever; an imported one stays what its dump says.
    awaited boolean NOT NULL DEFAULT false,
    content_type text,
    etag text,
    content_length bigint,
    blob_sha256 text REFERENCES blobs,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (id, account_id),
    UNIQUE (id, release_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (release_id, account_id) REFERENCES releases (id, account_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX artifacts_filename ON artifacts (release_id, filename) WHERE status <> 'YANKED';
CREATE INDEX artifacts_release ON artifacts (release_id);
CREATE INDEX artifacts_by_filename ON artifacts (account_id, filename);
CREATE INDEX artifacts_blob ON artifacts (blob_sha256) WHERE blob_sha256 IS NOT NULL;
CREATE INDEX artifacts_listing ON artifacts (account_id, created DESC, ordinal DESC);
CREATE INDEX artifacts_unfinished ON artifacts (created) WHERE status IN ('WAITING', 'PROCESSING');
CREATE INDEX artifacts_platform ON artifacts (account_id, platform) WHERE platform IS NOT NULL;
CREATE INDEX artifacts_arch ON artifacts (account_id, arch) WHERE arch IS NOT NULL;

CREATE TABLE constraints (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    release_id uuid NOT NULL,
    entitlement_id uuid NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    UNIQUE (release_id, entitlement_id),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (release_id, account_id) REFERENCES releases (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (entitlement_id, account_id) REFERENCES entitlements (id, account_id) ON DELETE CASCADE
);
CREATE INDEX constraints_entitlement ON constraints (entitlement_id);

-- A package's own manifest found inside an artifact; its text is kept byte for byte.
CREATE TABLE manifests (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    artifact_id uuid NOT NULL,
    release_id uuid NOT NULL,
    content_path text,
    content_type text,
    content_digest text,
    content_length bigint,
    content text NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (artifact_id, release_id) REFERENCES artifacts (id, release_id) ON DELETE CASCADE
);
CREATE INDEX manifests_artifact ON manifests (artifact_id);
CREATE INDEX manifests_release ON manifests (release_id);
CREATE INDEX manifests_digest ON manifests (content_digest);

-- The description of a part inside an artifact (an image's layer); its bytes are a blob where we hold them.
CREATE TABLE descriptors (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    environment_id uuid,
    artifact_id uuid NOT NULL,
    release_id uuid NOT NULL,
    content_path text,
    content_type text,
    content_digest text,
    content_length bigint,
    blob_sha256 text REFERENCES blobs,
    metadata jsonb NOT NULL DEFAULT '{}',
    created timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    ordinal bigint NOT NULL DEFAULT nextval('record_ordinal'),
    FOREIGN KEY (environment_id, account_id) REFERENCES environments (id, account_id) ON DELETE CASCADE,
    FOREIGN KEY (artifact_id, release_id) REFERENCES artifacts (id, release_id) ON DELETE CASCADE
);
CREATE INDEX descriptors_artifact ON descriptors (artifact_id);
CREATE INDEX descriptors_release ON descriptors (release_id);
CREATE INDEX descriptors_digest ON descriptors (content_digest);
CREATE INDEX descriptors_blob ON descriptors (blob_sha256) WHERE blob_sha256 IS NOT NULL;

-- References to blobs are counted by the database itself, so no code path can forget one.
CREATE FUNCTION count_blob_references() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.blob_sha256 IS NOT NULL
       AND (TG_OP = 'DELETE' OR NEW.blob_sha256 IS DISTINCT FROM OLD.blob_sha256) THEN
        UPDATE blobs SET reference_count = reference_count - 1,
                         unreferenced = CASE WHEN reference_count = 1 THEN now() END
            WHERE sha256 = OLD.blob_sha256;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.blob_sha256 IS NOT NULL
       AND (TG_OP = 'INSERT' OR NEW.blob_sha256 IS DISTINCT FROM OLD.blob_sha256) THEN
        UPDATE blobs SET reference_count = reference_count + 1, unreferenced = NULL
            WHERE sha256 = NEW.blob_sha256;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER artifacts_blob_references AFTER INSERT OR DELETE OR UPDATE OF blob_sha256 ON artifacts
    FOR EACH ROW EXECUTE FUNCTION count_blob_references();
CREATE TRIGGER descriptors_blob_references AFTER INSERT OR DELETE OR UPDATE OF blob_sha256 ON descriptors
    FOR EACH ROW EXECUTE FUNCTION count_blob_references();

-- Work that follows an upload. A worker leases a row; a lease that ran out is taken up again by anybody.
CREATE TABLE processing_jobs (
    artifact_id uuid PRIMARY KEY REFERENCES artifacts ON DELETE CASCADE,
    attempts integer NOT NULL DEFAULT 0,
    leased_until timestamptz,
    created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX processing_jobs_lease ON processing_jobs (leased_until NULLS FIRST, created);

-- Password attempts, counted across processes (api.md 3.5); rows of a past minute are swept.
CREATE UNLOGGED TABLE password_attempts (
    key text NOT NULL,
    attempted timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX password_attempts_key ON password_attempts (key, attempted);
