"""Registry dumps as text: lines, values, and what can be wrong with them (dump.md, format version 1)."""
