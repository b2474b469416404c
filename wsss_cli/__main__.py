"""Where `wsss` and `python -m wsss_cli` begin: signals first, then what takes long to import."""

from __future__ import annotations

from .machine import ending


def main() -> None:
    """The program."""
    ending.install()
    from .cli import entry

    entry()


if __name__ == "__main__":
    main()
