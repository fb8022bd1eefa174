"""The JSON:API: one generic router, and one file per resource type in :mod:`keygenreg.management.resources`."""
