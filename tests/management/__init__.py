"""Tests of the JSON:API against a real daemon."""
