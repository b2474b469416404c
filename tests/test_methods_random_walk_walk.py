"""random-walk --method walk: the walk of the weights' method, its options, its records."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from wsss_cli.core.pseudo import WALKS
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.methods.random_walk import walk
from wsss_cli.methods.random_walk.walk import Border, WalkOptions


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
        **{"method": "irn", "stride": 4, "beta": 10.0, "flip": True},
    }
    assert (psa.labels_record(), irn.labels_record()) == ({}, {"threshold": 0.25})


def test_options_that_are_given() -> None:
    options = WalkOptions(steps="3", radius=2, beta=1.5, alpha=4.0, border=Border.reference)
    found = walk.spread("psa", options).scores_record()
    assert found["steps"] == 3
    assert found | {"alpha": 4.0, "border": "reference", "beta": 1.5, "radius": 2} == found
    assert walk.spread("irn", WalkOptions(flip=False)).scores_record()["flip"] is False


@pytest.mark.parametrize(
    ("by", "options", "error", "said"),
    [
        ("psa", {"threshold": 0.3}, UsageError, "--threshold: is of irn weights, and these are"),
        ("irn", {"border": Border.full}, UsageError, "--border: is of psa weights"),
        ("irn", {"threshold": 1.5}, UsageError, "--threshold 1.5: must lie in 0..1"),
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
