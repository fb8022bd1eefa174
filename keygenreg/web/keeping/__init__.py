"""Answers given again: what may be kept of one, where, and how it is given before anything is parsed."""
