"""Readers of other people's formats, all giving the same Sample."""
