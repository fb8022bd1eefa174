"""Where the bytes of artifacts are: the interface of blob stores, and the stores."""
