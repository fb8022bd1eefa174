"""TODO-DOC domain."""
