"""TODO-DOC web."""
