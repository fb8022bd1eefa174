"""Tests of the release engines, one folder each."""
