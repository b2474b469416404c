"""The methods: COMMAND/NAME, a file or folder each, which holds the method's card."""
