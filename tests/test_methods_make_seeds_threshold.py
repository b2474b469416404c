"""make-seeds --method threshold: thresholds alone, by mode, and against a background."""

from __future__ import annotations

from wsss_cli.methods.make_seeds.threshold import Mode, Thresholds, settings


def test_thresholds_follow_from_the_mode_and_the_maps() -> None:
    usual = {"mode": "fixed", "overlap": "strongest"}
    assert settings(Thresholds(), False) == {**usual, "low": 0.05, "high": 0.3}
    assert settings(Thresholds(), True) == {**usual, "low": 0.5, "high": 0.5}
    assert settings(Thresholds(low=0.2), True) == {**usual, "low": 0.2, "high": 0.5}
    found = settings(Thresholds(mode=Mode.quantile, high=0.4), True)
    assert found == {**usual, "mode": "quantile", "low": 0.1, "high": 0.4}
