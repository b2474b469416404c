"""The pointing game over the maps of a file: played on each, summed by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..artifacts.maps import cam_stride, checked_item
from ..core.labels import IGNORE
from ..core.pointing import centre_hits, hit_share, is_difficult, near
from ..errors import WsssError

if TYPE_CHECKING:
    from ..artifacts import Artifact, DatasetReader

POINTS = ("maps", "random", "centre")  # where the maps point, and what a point without them hits
COLUMNS = ("id", "class", *POINTS, "difficult")  # of each map
RULES = {
    "hit": "the map's strongest pixel, at the image's size, is nearer than the tolerance to a "
    "pixel of its class in the mask; the mean is one over classes",
    "ties": "of equal strongest pixels, the share that hits",
    "void": "pixels that are 255 in the mask belong to no class; a point there counts by its "
    "distance, as any",
    "left_out": "maps of classes that the mask does not hold, and images without a mask",
    "random": "what a pixel drawn from the whole image hits on average",
    "centre": "what the centre of the image hits",
    "difficult": "regions below a quarter of the image, in images with another class",
}


class Pointing:
    """The game's score for each map, and sums of them."""

    def __init__(self, maps: Artifact, truth: DatasetReader, tolerance: int) -> None:
        self._maps, self._truth, self.tolerance = maps, truth, tolerance
        self._stride = cam_stride(maps)
        self._rows: list[dict[str, Any]] = []
        self._without_region = self._without_map = 0

    def add(self, image_id: str) -> None:
        """Play it on all maps of one image; one without a mask is left out."""
        from ..core.cam import enlarge  # loads torch

        mask = self._truth.mask(image_id)
        if mask is None:
            return
        item, _ = checked_item(self._maps, image_id)
        large = enlarge(item["cam"], mask.shape, self._stride)
        present = set(np.unique(mask[(mask > 0) & (mask != IGNORE)]).astype(int) - 1)
        for index, scores in zip(item["classes"].tolist(), large, strict=True):
            if index not in present:
                self._without_region += 1
                continue
            present.discard(index)
            region = mask == index + 1
            hits = near(region, self.tolerance)
            self._rows.append(
                {
                    "id": image_id,
                    "class": self._truth.classes[index],
                    "maps": hit_share(scores, hits),
                    "random": float(hits.mean()),
                    "centre": centre_hits(hits),
                    "difficult": is_difficult(mask, region),
                }
            )
        self._without_map += len(present)

    def check(self) -> None:
        """Raise WsssError if no map has its class in a mask."""
        if not self._rows:
            raise WsssError(
                f"{self._maps.path}: none of its maps is of a class that the mask of its image "
                "holds: nothing to point at",
                "other images may hold the classes of their maps",
            )

    def report(self) -> dict[str, Any]:
        """For the JSON: the rules, the means, those of each class, and each map's."""
        by_class = [
            means(row for row in self._rows if row["class"] == name) for name in self._truth.classes
        ]
        return {
            "protocol": {"tolerance": self.tolerance, **RULES},
            "maps": len(self._rows),
            "maps_without_region": self._without_region,
            "regions_without_map": self._without_map,
            "mean": {name: _mean([one[name] for one in by_class]) for name in POINTS},
            "difficult": means(row for row in self._rows if row["difficult"]),
            "classes": dict(zip(self._truth.classes, by_class, strict=True)),
            "per_map": {name: [row[name] for row in self._rows] for name in COLUMNS},
        }


def means(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Means over maps, and how many these are; None where there is no map."""
    found = list(rows)
    return {"count": len(found)} | {name: _mean([row[name] for row in found]) for name in POINTS}


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
