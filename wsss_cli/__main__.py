"""`python -m wsss_cli` is `wsss`."""

from .cli import entry

entry()
