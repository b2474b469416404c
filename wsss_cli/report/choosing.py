"""Which images to show where there are too many to show them all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WsssError
from ..options.ids import select_ids

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader

ROWS = 8  # images shown unless --limit or --ids says otherwise


def choose_images(
    truth: DatasetReader,
    sources: Sequence[Artifact],
    split: str | None,
    listed: str | None,
    limit: int | None,
    seed: int | None,
) -> list[str]:
    """The images to show, rising (or as listed).

    Those of the split that every file holds; those of an --ids file even if a file lacks them.

    Args:
        listed: an --ids file.
        limit: how many at most; where it is None and nothing is listed, ROWS.
        seed: draws them; otherwise they are evenly spread.

    Raises:
        WsssError: there is none, or a listed one is not in the data set.
    """
    found = truth.split(split)
    if listed is not None:
        where = f"{truth.path}'s split {split}" if split else truth.path
        found = select_ids(found, listed, Path(where))
    else:
        found = [i for i in found if all(i in source for source in sources)]
        limit = limit or ROWS
    if not found:
        raise WsssError(
            f"{truth.path}: no image of it is in every file",
            "--ids shows images that some files lack",
        )
    if limit is None or limit >= len(found):
        return found
    if seed is not None:
        places = sorted(random.Random(seed).sample(range(len(found)), limit))
    else:
        places = [(2 * place + 1) * len(found) // (2 * limit) for place in range(limit)]
    return [found[place] for place in places]
