"""Other people's formats, in and out: one module a format, all readers giving the same Sample."""
