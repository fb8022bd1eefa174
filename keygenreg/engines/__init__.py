"""The release engines: one folder for each protocol, found by scanning; none knows another."""
