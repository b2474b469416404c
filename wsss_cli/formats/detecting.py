"""Which format a source is of, by what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import WsssError
from .place import Place
from .reading import Reader


def detected(path: Path, readers: Sequence[Reader]) -> tuple[Reader, str]:
    """The only format that a source can be of, and by what that is told.

    Raises:
        WsssError: none, or several; names these.
    """
    place = Place(path)
    seen = {}
    for reader in readers:
        why = reader.detect(place) if reader.detect is not None else None
        if why is not None:
            seen[reader.name] = reader, why
    covered = {name for reader, _ in seen.values() for name in reader.before}
    left = [one for name, one in seen.items() if name not in covered]
    if len(left) == 1:
        return left[0]
    names = ", ".join(reader.name for reader in readers if reader.detect is not None)
    if not left:
        raise WsssError(f"{path}: of no format that is known", f"--format names it: {names}")
    could = " or ".join(f"{reader.name} ({why})" for reader, why in left)
    ways = " or ".join(f"--format {reader.name}" for reader, _ in left)
    raise WsssError(f"{path}: could be {could}", f"{ways} says which")
