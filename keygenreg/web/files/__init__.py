"""Stored bytes on their way to a client: ranges, the choice of a sender, and the senders."""
