"""TLS on the socket itself: its transport, its port, its certificates and tickets, and how files go over it."""
