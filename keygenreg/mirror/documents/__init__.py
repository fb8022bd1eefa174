"""What upstreams say: documents asked for, kept while they are good, and rendered for clients."""
