"""TODO-DOC upstream."""
