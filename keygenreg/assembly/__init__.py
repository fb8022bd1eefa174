"""The only place that knows every part: settings become parts, parts become services."""
