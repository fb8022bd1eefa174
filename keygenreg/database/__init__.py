"""TODO-DOC database."""
