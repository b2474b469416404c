"""COCO's run lengths: masks column by column, from zeros, as a list of numbers or as a text.

In the text each number takes letters of five bits each, the lowest first, with a sixth bit where
more follow; from the fourth number on it is the difference to the one before the last.

Source: common/maskApi.c of github.com/cocodataset/cocoapi. pycocotools itself is not asked, since
of runs that end too early it gives pixels out of memory that nobody has written.
"""

from __future__ import annotations

import ast
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

MOST = 1 << 31  # pixels of an image
LETTERS = 6  # more than a number of `MOST` takes, less its last letter
ZERO, BITS, MORE, SIGN = 48, 5, 32, 16


class Rle(NamedTuple):
    """A mask as run lengths: its size, and the runs, which nobody has looked at yet."""

    height: int
    width: int
    counts: str | array[int]


def rle_of(found: Mapping[str, Any]) -> Rle:
    """A segmentation of run lengths as JSON has it.

    Raises:
        ValueError: no size, or runs that are neither a list of whole numbers nor a text.
    """
    size, counts = found.get("size"), found.get("counts")
    if not isinstance(size, list) or [type(one) for one in size] != [int, int]:
        raise ValueError("run lengths without a size")
    height, width = size
    if min(size) < 1 or height * width > MOST:
        raise ValueError(f"run lengths of {width}x{height} pixels")
    if isinstance(counts, str):
        return Rle(height, width, _unquoted(counts))
    if not isinstance(counts, list):
        raise ValueError("run lengths that are neither a list nor a text")
    try:
        return Rle(height, width, array("q", counts))
    except (TypeError, OverflowError):
        raise ValueError("run lengths that are no whole numbers") from None


def _unquoted(counts: str) -> str:
    """A text that Python's way to write bytes, b'...', was put around, without that."""
    if counts[:2] in ("b'", 'b"'):  # no quotation mark is a letter of run lengths
        try:
            return str(ast.literal_eval(counts).decode("ascii"))
        except (SyntaxError, ValueError, AttributeError):
            pass
    return counts


def runs_of(rle: Rle) -> np.ndarray:
    """(R,) int64 lengths of runs.

    Raises:
        ValueError: a text with strange letters, or that ends within a number; lengths below 0, or
            that are not those of all pixels.
    """
    import numpy as np

    if isinstance(rle.counts, str):
        runs = _numbers(rle.counts)
        runs[1::2] = np.cumsum(runs[1::2])
        runs[2::2] = np.cumsum(runs[2::2])
    else:
        runs = np.array(rle.counts, np.int64)
    if (runs < 0).any():
        raise ValueError("run lengths below 0")
    if (runs > MOST).any() or runs.sum() != rle.height * rle.width:
        raise ValueError(f"run lengths that are not of {rle.width}x{rle.height} pixels")
    return runs


def area_of(rle: Rle) -> int:
    """How many pixels a mask holds. Raises as `runs_of`."""
    return int(runs_of(rle)[1::2].sum())


def box_of(rle: Rle) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 around a mask, which is not decoded for it; all 0 around none.

    Raises as `runs_of`.

    >>> box_of(Rle(2, 3, array("q", [1, 1, 2, 1, 1])))
    (0, 0, 3, 2)
    """
    import numpy as np

    runs = runs_of(rle)
    ends = np.cumsum(runs)[1::2]
    starts = (ends - runs[1::2])[runs[1::2] > 0]
    ends = ends[runs[1::2] > 0]
    if not len(ends):
        return 0, 0, 0, 0
    first, last = starts // rle.height, (ends - 1) // rle.height
    top, bottom = starts % rle.height, (ends - 1) % rle.height + 1
    across = bool((first < last).any())  # into the next column: from its first row, to the last
    y0, y1 = (0, rle.height) if across else (int(top.min()), int(bottom.max()))
    return int(first.min()), y0, int(last.max()) + 1, y1


def mask_of(rle: Rle) -> np.ndarray:
    """(H, W) bool. Raises as `runs_of`.

    >>> mask_of(Rle(2, 3, array("q", [1, 2, 3]))).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    from ..core.runs import from_runs

    return from_runs(runs_of(rle), rle.width, rle.height).T


def _numbers(text: str) -> np.ndarray:
    """(R,) int64 of a text, differences still.

    Raises:
        ValueError: as `runs_of`.
    """
    import numpy as np

    letters = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - ZERO
    if not len(letters):
        return letters
    if ((letters < 0) | (letters >= 2 * MORE)).any():
        raise ValueError("a text of run lengths with letters that are none of theirs")
    ends = np.flatnonzero(letters < MORE)
    if not len(ends) or ends[-1] != len(letters) - 1:
        raise ValueError("a text of run lengths that ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > LETTERS + 1:
        raise ValueError("a text of run lengths with a number beyond all images")
    shift = BITS * (np.arange(len(letters)) - np.repeat(starts, lengths))
    found: np.ndarray = np.add.reduceat((letters & (MORE - 1)) << shift, starts)
    return found - np.where(letters[ends] & SIGN, 1 << (BITS * lengths), 0)
