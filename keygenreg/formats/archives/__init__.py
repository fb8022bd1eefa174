"""Archives of strangers, read forward only and within bounds: gzip, tar, and the names of members."""
