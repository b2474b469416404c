"""One module per command: parse, open, loop, write."""
