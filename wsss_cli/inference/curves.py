"""eval --faithfulness: a classifier's scores of one photograph while its pixels are inserted or
deleted, in the orders that its maps and two orders without them give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .views import network_pass

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..machine.place import Place

WHOLE, DELETED, UNSEEN = 0, 1, 2  # the photograph, all of it deleted, and none of it inserted yet


class Grounds(NamedTuple):
    """A photograph, and what stands in its place.

    Attributes:
        pictures: (3, 3, H, W) normalised: those of `WHOLE`, `DELETED` and `UNSEEN`.
    """

    pictures: Tensor

    @classmethod
    def of(cls, image: Tensor, deletion: str, insertion: str) -> Grounds:
        """
        Args:
            image: (1, 3, H, W) normalised.
            deletion, insertion: the substrates, "mean" or "blurred".
        """
        import torch

        from ..core.faithfulness import blurred

        made = {"mean": torch.zeros_like(image), "blurred": blurred(image)}
        return cls(torch.cat([image, made[deletion], made[insertion]]))


Score = Callable[["Tensor"], "Tensor"]


def scored(batches: Iterator[Tensor], score: Score, place: Place) -> np.ndarray:
    """(N, C) float32 scores of all pictures of some batches."""
    import numpy as np

    found = []
    for batch in batches:
        with network_pass(place):
            found.append(score(batch).float().cpu().numpy())
    return np.concatenate(found)


def curves(
    grounds: Grounds,
    ranks: Sequence[np.ndarray],
    steps: int,
    score: Score,
    place: Place,
    at_once: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The scores of all classes along deletion and insertion.

    What all orders share, the first and the last picture, is looked at once.

    Args:
        grounds: see there.
        ranks: (H, W) int32 of each order, see `core.faithfulness.order_ranks`.
        steps: in which all pixels change.
        score: (B, C) scores of (B, 3, H, W).
        place: of the classifier.
        at_once: pictures in a batch.

    Returns:
        deletion and insertion, each (orders, steps + 1, C) float32.
    """
    import numpy as np
    import torch

    from ..core.faithfulness import changed, step_bounds

    bounds = step_bounds(ranks[0].size, steps)
    # order, pixels changed, from which picture, to which
    asked = [(0, 0, one, one) for one in (WHOLE, DELETED, UNSEEN)]
    for start, end in ((WHOLE, DELETED), (UNSEEN, WHOLE)):
        for order in range(len(ranks)):
            asked += [(order, int(bound), start, end) for bound in bounds[1:-1]]
    device = grounds.pictures.device
    placed = torch.from_numpy(np.stack(ranks)).to(device)
    table = torch.tensor(asked, dtype=torch.int32, device=device).T

    def batches() -> Iterator[Tensor]:
        for part in table.split(at_once, dim=1):
            order, count, start, end = part.long()
            yield changed(grounds.pictures[start], grounds.pictures[end], placed[order], count)

    found = scored(batches(), score, place)
    between = found[3:].reshape(2, len(ranks), steps - 1, found.shape[1])

    def curve(start: int, middle: np.ndarray, end: int) -> np.ndarray:
        ends = [
            np.broadcast_to(found[one], (len(ranks), 1, found.shape[1])) for one in (start, end)
        ]
        return np.concatenate([ends[0], middle, ends[1]], axis=1)

    return curve(WHOLE, between[0], DELETED), curve(UNSEEN, between[1], WHOLE)


def shown_scores(
    grounds: Grounds, weights: np.ndarray, score: Score, place: Place, at_once: int
) -> np.ndarray:
    """The scores of a photograph as far as each of some maps shows it, deleted elsewhere.

    Args:
        grounds: see there.
        weights: (n, H, W) float32 in [0, 1].
        score, place, at_once: as for `curves`.

    Returns:
        (n, C) float32.
    """
    import torch

    whole, deleted = grounds.pictures[WHOLE], grounds.pictures[DELETED]
    placed = torch.from_numpy(weights).to(whole.device)

    def batches() -> Iterator[Tensor]:
        for part in placed.split(at_once):
            yield torch.lerp(deleted, whole, part[:, None]).contiguous(
                memory_format=torch.channels_last
            )

    return scored(batches(), score, place)


def answers(
    grounds: Grounds,
    maps: np.ndarray,
    classes: Sequence[int],
    steps: int,
    score: Score,
    cell: int,
    place: Place,
    at_once: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """What the classifier says of each map, and of the orders without one.

    Args:
        grounds: see there.
        maps: (K, H, W) float32 in [0, 1].
        classes: of the maps.
        steps, score, place, at_once: as for `curves`.
        cell: pixels that a random map is as smooth as.
        rng: draws the random map, and breaks ties.

    Returns:
        for each map `score` of the whole image, `score_deleted` and `score_uninserted` of none of
        it, `coverage`, and insertion, deletion, drop and increase: of the map, and of the same
        values in random places (_random) and from the centre outwards (_centre).
    """
    import numpy as np

    from ..core.faithfulness import (
        area_under,
        centre_scores,
        noise_scores,
        order_ranks,
        rearranged,
        score_drop,
        score_rises,
    )

    size = maps.shape[1:]
    others = [noise_scores(size, cell, rng), centre_scores(size)]
    ranks = [order_ranks(one, rng) for one in (*maps, *others)]
    deletion, insertion = curves(grounds, ranks, steps, score, place, at_once)
    weights = [[one, *(rearranged(one, ranks[order]) for order in (-2, -1))] for one in maps]
    shown = shown_scores(grounds, np.concatenate(weights), score, place, at_once)
    found = []
    for k, index in enumerate(classes):
        full = deletion[0, 0, index]
        row: dict[str, Any] = {
            "score": float(full),
            "score_deleted": float(deletion[0, -1, index]),
            "score_uninserted": float(insertion[0, 0, index]),
            "coverage": float(maps[k].mean(dtype=np.float64)),
        }
        for number, (order, name) in enumerate(((k, ""), (-2, "_random"), (-1, "_centre"))):
            part = shown[3 * k + number, index]
            row |= {
                f"insertion{name}": float(area_under(insertion[order, :, index])),
                f"deletion{name}": float(area_under(deletion[order, :, index])),
                f"drop{name}": float(score_drop(full, part)),
                f"increase{name}": bool(score_rises(full, part)),
            }
        found.append(row)
    return found
