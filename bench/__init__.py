"""Measurements of the daemon beside other servers; see README.md and docs/performance.md."""
