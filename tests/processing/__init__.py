"""Tests of what happens after an upload."""
