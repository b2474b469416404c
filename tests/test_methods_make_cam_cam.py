"""make-cam --method cam: the maps that the network pools into its scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from wsss_cli.inference.maps import Drawing, Loaded, Tags, draw
from wsss_cli.machine.place import Place
from wsss_cli.methods.make_cam import CARDS
from wsss_cli.methods.make_cam.cam import CARD
from wsss_cli.nets.classifier import Classifier
from wsss_cli.options.cards import NoOptions

FEATURES = torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[2.0, 0.0], [1.0, 1.0]]])
PIXELS = torch.zeros(3, 4, 4, dtype=torch.uint8)


class Given(nn.Module):
    """A backbone that sees two features in whatever image."""

    channels, output_stride = (2,), 2

    def forward(self, x: Tensor) -> list[Tensor]:
        return [FEATURES.expand(len(x), -1, -1, -1)]


def network() -> Classifier:
    """Class 0 is feature 0 less feature 1, class 1 half of feature 0 and feature 1."""
    found = Classifier(Given(), 2).eval()  # type: ignore[arg-type]
    weight = torch.tensor([[1.0, -1.0], [0.5, 1.0]])
    found.head.weight.data.copy_(weight[:, :, None, None])
    return found


def test_it_is_what_is_done_unless_told_and_adds_nothing_to_the_record() -> None:
    assert CARDS[0] is CARD
    assert (CARD.name, CARD.options, CARD.any_network) == ("cam", NoOptions, False)
    own = network()
    assert CARD.look(own, None, NoOptions()) == (own, {})


def test_maps_by_hand() -> None:
    """ReLU, then each map over its maximum and 1e-5; scores are the means before ReLU."""
    model, _ = CARD.look(network(), None, NoOptions())
    maps, logits = model.seen(torch.zeros(1, 3, 4, 4))
    assert maps[0].tolist() == [[[-1, 2], [-1, 0]], [[2.5, 1], [1, 1.5]]]
    assert logits[0].tolist() == [0, 1.5]
    loaded = Loaded([PIXELS], np.array([4, 4]), np.array([0, 1]))
    (drawn,) = draw(model, Place(torch.device("cpu")), False, Drawing(stride=2), [("a", loaded)])
    expected = np.array([[[0, 2], [0, 0]], [[2.5, 1], [1, 1.5]]])
    expected /= np.array([2, 2.5])[:, None, None] + 1e-5
    np.testing.assert_allclose(drawn.cam, expected, rtol=1e-6)
    assert drawn.classes.tolist() == [0, 1]


def test_a_class_is_recognised_by_the_score_of_its_map() -> None:
    """The sigmoids of 0 and 1.5 are 0.5 and 0.82."""
    drawing = Drawing(stride=2, tags=Tags.predicted, tag_threshold=0.6)
    loaded = Loaded([PIXELS], np.array([4, 4]), None)
    (drawn,) = draw(network(), Place(torch.device("cpu")), False, drawing, [("a", loaded)])
    assert drawn.classes.tolist() == [1]
    np.testing.assert_allclose(drawn.cam.amax(), 2.5 / (2.5 + 1e-5), rtol=1e-6)
