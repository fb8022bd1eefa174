"""SQL shared by several features, as named values."""
