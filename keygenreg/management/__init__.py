"""TODO-DOC management."""
