"""Pure text and bytes of the protocols: what goes over the wire, read and written without any I/O."""
