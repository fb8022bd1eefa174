"""Names that are claimed here, compared with what upstreams have."""
