"""Measurements of a running daemon; see README.md."""
