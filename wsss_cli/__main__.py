"""`python -m wsss_cli` is `wsss`."""

from .cli import app

app(prog_name="wsss")
