"""TODO-DOC storage."""
