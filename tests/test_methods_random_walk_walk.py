"""random-walk --method walk: the walk of the weights' method, its options, its records."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch

from wsss_cli.core.pseudo import WALKS
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.machine.place import Place
from wsss_cli.methods.random_walk import walk
from wsss_cli.methods.random_walk.walk import Border, WalkOptions
from wsss_cli.options.cards import due


def test_a_walk_is_that_of_the_weights() -> None:
    psa, irn = (walk.spread(name, WalkOptions()) for name in ("psa", "irn"))
    assert isinstance(psa, walk.PsaWalk)
    assert isinstance(irn, walk.IrnWalk)
    assert (psa.walk, irn.walk) == (WALKS["psa"], WALKS["irn"])
    assert (psa.stride, psa.has_background, psa.threshold) == (8, True, None)
    assert (irn.stride, irn.has_background, irn.threshold) == (4, False, 0.25)
    common = {"steps": "auto", "radius": 5}
    assert psa.scores_record() == {
        **common,
        **{"method": "psa", "stride": 8, "beta": 8.0, "alpha": 16.0, "border": "full"},
    }
    assert irn.scores_record() == {
        **common,
        **{"method": "irn", "stride": 4, "beta": 10.0, "flip": True, "pad_to": 0},
    }
    assert (psa.labels_record(), irn.labels_record()) == ({}, {"threshold": 0.25})


def test_options_that_are_given() -> None:
    options = WalkOptions(steps="3", radius=2, beta=1.5, alpha=4.0, border=Border.reference)
    found = walk.spread("psa", options).scores_record()
    assert found["steps"] == 3
    assert found | {"alpha": 4.0, "border": "reference", "beta": 1.5, "radius": 2} == found
    assert walk.spread("irn", WalkOptions(flip=False)).scores_record()["flip"] is False
    padding = walk.spread("irn", WalkOptions(pad_to=512))
    assert (padding.pad_to, padding.scores_record()["pad_to"]) == (512, 512)


def test_images_are_padded_as_the_boundaries_were_trained_unless_told() -> None:
    assert walk.spread("irn", WalkOptions(), 512).pad_to == 512
    assert walk.spread("irn", WalkOptions(pad_to=0), 512).pad_to == 0
    assert walk.spread("irn", WalkOptions()).pad_to == 0  # weights that do not say
    assert walk.spread("irn", WalkOptions(), 1 << 20).pad_to == 4096
    assert walk.spread("psa", WalkOptions(), 448).pad_to == 0  # features, without group norms


@pytest.mark.parametrize(
    ("by", "options", "error", "said"),
    [
        ("psa", {"threshold": 0.3}, UsageError, "--threshold: is of irn weights, and these are"),
        ("irn", {"border": Border.full}, UsageError, "--border: is of psa weights"),
        ("irn", {"threshold": 1.5}, UsageError, "--threshold 1.5: must lie in 0..1"),
        ("psa", {"pad_to": 512}, UsageError, "--pad-to: is of irn weights, and these are psa"),
        ("irn", {"pad_to": -16}, UsageError, "--pad-to -16: must lie in 0..4096"),
        ("irn", {"pad_to": 4097}, UsageError, "--pad-to 4097: must lie in 0..4096"),
        ("psa", {"alpha": 0.0}, UsageError, "--alpha 0.0: must be above 0"),
        ("psa", {"radius": 0}, UsageError, "radius 0: must lie in"),
        ("new", {}, WsssError, "a method 'new' that random-walk does not know"),
    ],
)
def test_what_the_weights_have_no_use_for(
    by: str, options: dict[str, Any], error: type[WsssError], said: str
) -> None:
    with pytest.raises(error, match=said):
        walk.spread(by, WalkOptions(**options))


def test_steps_are_read_where_they_stand() -> None:
    assert (walk.steps_of("auto"), walk.steps_of("12")) == ("auto", 12)
    with pytest.raises(UsageError, match="--steps many: needs a number"):
        WalkOptions(steps="many")


@pytest.mark.parametrize("spread", [walk.spread("psa", WalkOptions()), WALKS["irn"]])
def test_what_labels_are_made_by_travels_to_workers(spread: object) -> None:
    assert pickle.loads(pickle.dumps(spread)) == spread


def test_defaults_are_the_weights_methods() -> None:
    own = walk.CARD.own
    assert (own["steps"], own["radius"], own["beta"]) == ("auto", 5, None)
    said = {name: str(own[name]) for name in ("alpha", "border", "threshold", "flip", "pad_to")}
    expected = {"alpha": "16", "border": "full", "threshold": "0.25", "flip": "flip"}
    assert said == {**expected, "pad_to": "the --crop of train-aff"}
    assert {due(own[name], {}) for name in said} == {None}


def enlarged(left: float, right: float, stride: int) -> np.ndarray:
    """Two cells as pixels, bilinearly: the rise is from the one's centre to the other's."""
    places = (np.arange(2 * stride) + 0.5) / stride - 0.5
    return left + (right - left) * places.clip(0, 1)


def test_two_cells_of_psa_by_hand() -> None:
    """Alike by exp(-1/2): each averages itself, of weight 1, and the other, of exp(-1/2)^beta."""
    spread = walk.spread("psa", WalkOptions(steps="1", radius=2, beta=2.0, alpha=3.0))
    cam = torch.tensor([[[0.8, 0.2]]])
    features = torch.tensor([[[0.0, 1.0]], [[2.0, 2.0]]])
    pixels = enlarged(0.8, 0.2, 8)
    start = np.stack([(1 - pixels) ** 3, pixels]).reshape(2, 2, 8).mean(2)
    near = np.exp(-1.0)
    expected = (start + near * start[:, ::-1]) / (1 + near)
    found = spread(cam, features, (8, 16), 8)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)


def test_two_cells_of_irn_by_hand() -> None:
    """Scores lose what is boundary; a pair is as alike as no boundary is between the two."""
    spread = walk.spread("irn", WalkOptions(steps="1", radius=2, beta=1.0))
    cam, boundary = torch.tensor([[[0.8, 0.2]]]), torch.tensor([[0.5, 0.25]])
    start = np.array([0.8 * 0.5, 0.2 * 0.75])
    near = 1 - 0.5  # the strongest boundary on the way
    # beyond the two there is boundary, so that every other cell in reach weighs 0
    walked = (start + near * start[::-1]) / (1 + near)
    found = spread(cam, boundary, (4, 8), 4)
    np.testing.assert_allclose(found[0, 0], walked / walked.max(), rtol=1e-5)


class Edges:
    """Boundary logits that rise from left to right in whatever image, (B, 1, h, w)."""

    def __init__(self) -> None:
        self.seen = 0

    def edge_logits(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        return torch.tensor([[[[0.0, 1.0, 4.0]]]]).expand(len(x), -1, -1, -1)


def test_boundaries_of_the_mirror_image_are_averaged_before_the_sigmoid() -> None:
    x, place = torch.zeros(1, 3, 4, 12), Place(torch.device("cpu"))
    for flip, expected in ((True, [2.0, 1.0, 2.0]), (False, [0.0, 1.0, 4.0])):
        model = Edges()
        seen = walk.spread("irn", WalkOptions(flip=flip)).see(model, x, place)
        torch.testing.assert_close(seen, torch.tensor([expected]).sigmoid())
        assert model.seen == 1 + flip
