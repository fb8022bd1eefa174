"""What is kept of other registries: documents and files, for every engine that passes names on."""
