"""TODO-DOC processing."""
