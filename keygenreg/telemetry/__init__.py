"""TODO-DOC telemetry."""
