"""random-walk --method nearest: sure pixels, and the class that others are most like."""

from __future__ import annotations

import pytest

from wsss_cli.core.nearest import NearestParams
from wsss_cli.errors import WsssError
from wsss_cli.methods.random_walk import nearest
from wsss_cli.methods.random_walk.nearest import SureScores


def test_nearest_needs_features_of_pixels() -> None:
    found = nearest.spread("psa", SureScores())
    assert found.params == NearestParams()
    assert found.scores_record()["method"] == "nearest"
    assert nearest.spread("psa", SureScores(beta=3.0)).params.beta == 3
    with pytest.raises(WsssError, match="needs psa weights, and these are irn"):
        nearest.spread("irn", SureScores())
