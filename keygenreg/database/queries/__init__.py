"""TODO-DOC database/queries."""
