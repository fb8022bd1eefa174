"""keygenreg: one Twisted daemon that distributes licensed software through the clients customers already have."""

__version__ = "0.1.0"
