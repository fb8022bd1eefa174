"""TODO-DOC command."""
