"""The pass-through mirror: what other registries publish, kept and passed on; engines bring an adapter each."""
