"""The web page for vendors: a program for browsers, which is a client of the JSON:API like any other."""
