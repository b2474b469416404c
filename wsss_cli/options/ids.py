"""Which images a command takes: the ids of its input, or those that a list names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..artifacts import ledger
from ..artifacts.inputs import decoded, text
from ..errors import WsssError


def need_ids(ids: list[str], source: Path, split: str | None) -> list[str]:
    """The ids, of which there must be one: nothing was ever meant to be made of none.

    Raises:
        WsssError: there is none.
    """
    if not ids:
        where = f"split {split!r} holds" if split else "holds"
        raise WsssError(f"{source}: {where} no image")
    return ids


def _read_list(listed: str) -> str:
    """The text of a file or, for -, of stdin: UTF-8 wherever this runs, as `info --ids` writes it.

    Raises:
        WsssError: it cannot be read, or is not UTF-8.
    """
    try:
        if listed != "-":
            ledger.read(listed)
            return text(listed)
        if sys.stdin is None:
            raise WsssError("--ids -: there is no stdin")
        return decoded(sys.stdin.buffer.read())
    except OSError as err:
        reason = err.strerror or err
    except UnicodeDecodeError:
        reason = "not UTF-8 text"
    raise WsssError(f"{listed}: cannot be read as a list of ids ({reason})")


def select_ids(candidates: Sequence[str], listed: str | None, source: Path) -> list[str]:
    """`candidates`, or those that an --ids file names.

    Args:
        candidates: the ids that the inputs hold.
        listed: a file's name, - for stdin, or None for all.
        source: what to name when an id is not there.

    Raises:
        WsssError: the file cannot be read, is empty, or names an id that is not there.
    """
    if listed is None:
        return list(candidates)
    lines = _read_list(listed).split("\n")
    wanted = list(dict.fromkeys(line for line in lines if line.strip()))
    if not wanted:
        raise WsssError(f"{listed}: names no image")
    known = set(candidates)
    unknown = [image_id for image_id in wanted if image_id not in known]
    if unknown:
        raise WsssError(
            f"{listed}: {len(unknown)} of {len(wanted)} ids are not in {source}, "
            f"first {unknown[0]!r}"
        )
    return wanted
