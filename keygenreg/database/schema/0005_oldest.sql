-- Platforms, arches and channels have no rows of their own: what they are and since when is read from these.
CREATE INDEX artifacts_platform_oldest ON artifacts (account_id, lower(platform), created) WHERE platform IS NOT NULL;
CREATE INDEX artifacts_arch_oldest ON artifacts (account_id, lower(arch), created) WHERE arch IS NOT NULL;
CREATE INDEX releases_channel_oldest ON releases (account_id, channel, created);
