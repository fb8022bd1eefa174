"""Import and export of whole registries (dump.md): the only features that read and write every table."""
