"""What happens after an upload: reading packages, failing what never came, removing what nobody needs."""
