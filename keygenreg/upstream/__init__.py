"""Other registries as this daemon reads them: addresses, connections, failures."""
