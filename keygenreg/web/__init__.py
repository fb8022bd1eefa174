"""The HTTP edge: connections, requests, uploads, and replies and blobs onto the wire."""
