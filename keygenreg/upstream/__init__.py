"""Requests to other registries: where they may go, how many at once, how long they may take."""
