"""Tests of the PyPI engine."""
