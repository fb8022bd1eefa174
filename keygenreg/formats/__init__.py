"""TODO-DOC formats."""
