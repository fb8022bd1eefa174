"""Values and rules of a registry, known to everything and knowing nothing: no I/O, no framework."""
