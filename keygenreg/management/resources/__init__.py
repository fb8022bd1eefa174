"""TODO-DOC management/resources."""
