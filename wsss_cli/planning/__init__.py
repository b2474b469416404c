"""The chain as a whole: what it is made of, what it will take, scripts that run it."""
