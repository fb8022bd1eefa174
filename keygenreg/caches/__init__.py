"""TODO-DOC caches."""
