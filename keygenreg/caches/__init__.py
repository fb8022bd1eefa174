"""Answers and facts that are remembered, and the generations that say for how long."""
