"""Real clients of each ecosystem, as child processes against a real daemon."""
