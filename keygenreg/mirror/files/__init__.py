"""Files of upstreams: fetched once, verified, kept within a quota, or passed on."""
