"""Images of a few pixels, as a rule of make-seeds sees them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made import write_sloping_cam

from wsss_cli.core.refine import Refinement
from wsss_cli.inference.seeding import Scene, SeedCard, SeedTask
from wsss_cli.options.cards import Chosen


def row(
    *maps: Sequence[float],
    classes: Sequence[int] | None = None,
    background: Sequence[float] | None = None,
    saliency: Sequence[int] | None = None,
) -> Scene:
    """One row of pixels, black; each map its scores."""

    def eye() -> np.ndarray:
        return np.array([saliency], np.uint8) if saliency is not None else pytest.fail("asked for")

    own = None if background is None else torch.tensor([background])
    return Scene(
        torch.tensor(maps)[:, None],
        np.array(range(len(maps)) if classes is None else classes),
        lambda: np.zeros((1, len(maps[0]), 3), np.uint8),
        lambda: own,
        eye,
    )


def seeds(card: SeedCard, scene: Scene, **options: Any) -> list[int]:
    """Labels of a row by a method's rule, with nothing that refines."""
    assert card.rule is not None
    settings = card.settings(card.options(**options), scene.background() is not None)
    return card.rule(scene, refinement=None, **settings)[0].tolist()


def params_of(
    card: SeedCard, data: Path, refinement: Refinement | None, **options: Any
) -> dict[str, Any]:
    """What a method has an artifact say of how it was made."""
    cam = data.with_name("cam.h5")
    if not cam.exists():
        write_sloping_cam(cam, data)
    with ExitStack() as files:
        task = SeedTask(cam, data, None, refinement, None)
        return dict(card.begin(task, Chosen(card, card.options(**options)), files).params)
