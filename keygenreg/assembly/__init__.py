"""TODO-DOC assembly."""
