"""Where `wsss` and `python -m wsss_cli` begin: signals first, then what takes long to import."""

import _signal  # built in; `signal` is a file, and imports more
import os

for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    _number = getattr(_signal, _name, None)
    if _number is not None and _signal.getsignal(_number) != _signal.SIG_IGN:
        _signal.signal(_number, lambda *signal: os._exit(130))


def main() -> None:
    """The program."""
    from .machine import ending

    ending.install()
    from .cli import entry

    entry()


if __name__ == "__main__":
    main()
