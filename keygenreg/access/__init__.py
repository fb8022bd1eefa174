"""TODO-DOC access."""
