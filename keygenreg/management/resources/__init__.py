"""The resource types of the JSON:API; each module has ``ROUTES`` and a ``document`` of one record."""
