"""random-walk --method nearest: sure pixels, and the class that others are most like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsss_cli.core.nearest import NearestParams
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.machine.place import Place
from wsss_cli.methods.random_walk import nearest
from wsss_cli.methods.random_walk.nearest import SureScores


def test_nearest_needs_features_of_pixels() -> None:
    found = nearest.spread("psa", SureScores())
    assert found.params == NearestParams()
    assert found.scores_record()["method"] == "nearest"
    assert nearest.spread("psa", SureScores(beta=3.0)).params.beta == 3
    with pytest.raises(WsssError, match="needs psa weights, and these are irn"):
        nearest.spread("irn", SureScores())


def test_defaults_are_irns_thresholds_and_the_plain_mean() -> None:
    assert nearest.CARD.own == {"beta": None, "fg": 0.3, "bg": 0.05}
    found = nearest.spread("psa", SureScores())
    assert found.params == NearestParams(0.3, 0.05, 1.0)
    assert (found.stride, found.has_background, found.threshold) == (8, True, None)
    assert found.scores_record() == {
        **{"method": "nearest", "stride": 8, "fg": 0.3, "bg": 0.05, "beta": 1.0}
    }
    assert found.labels_record() == {}


@pytest.mark.parametrize("beta", [0.0, 1.0, 3.0])
def test_cells_by_hand(beta: float) -> None:
    """The first is sure of the class, the last of background; the middle lies 1 and 2 away.

    So its similarities are exp(-beta) and exp(-2 beta), of which the shares are taken.
    """
    cam = torch.tensor([[[0.9, 0.2, 0.0]]])
    features = torch.tensor([[[0.0, 1.0, 3.0]], [[0.0, 1.0, 3.0]]])
    scores = nearest.spread("psa", SureScores(beta=beta))(cam, features, (8, 24), 8)
    share = 1 / (1 + np.exp(-beta))
    np.testing.assert_allclose(scores, [[[0, 1 - share, 1]], [[1, share, 0]]], atol=1e-6)


def test_the_network_gives_features() -> None:
    x = torch.rand(1, 3, 4, 4)
    seen = nearest.spread("psa", SureScores()).see(torch.square, x, Place(torch.device("cpu")))
    assert torch.equal(seen, x[0] ** 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fg": 0.01}, "--method nearest: bg 0.05, fg 0.01: need 0 <= bg <= fg <= 1"),
        ({"fg": 1.5}, "--method nearest: bg 0.05, fg 1.5: need"),
        ({"beta": -1.0}, "--method nearest: beta -1.0: must be 0 or more, and finite"),
    ],
)
def test_values_out_of_range(options: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        nearest.spread("psa", SureScores(**options))
    assert str(caught.value).startswith(said)
