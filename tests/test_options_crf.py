"""The CRF's options: a preset, changes of it, and what says that there is none."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from wsss_cli.core.crf import PRESETS, CrfParams, Unfit
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.options.crf import CrfOptions, fitting_crf, option_name


def test_a_preset_is_named_or_the_stages_own_or_none() -> None:
    assert CrfOptions().chosen() is None
    assert CrfOptions().chosen("irn") == CrfParams(3, 3, 50, 5, 10, 10)
    assert CrfOptions(crf="psa").chosen("irn") == CrfParams(3, 3, 80, 13, 10, 10)
    assert CrfOptions(crf="none").chosen("irn") is None
    assert CrfOptions(crf="deeplab-v2").chosen() == CrfParams(1, 3, 67, 3, 4, 10)


@pytest.mark.parametrize("field", [field.name for field in fields(CrfParams)])
def test_each_number_of_a_preset_can_be_another(field: str) -> None:
    found = CrfOptions(**{f"crf_{field}": 7}).chosen("irn")  # type: ignore[arg-type]
    assert found == replace(PRESETS["irn"], **{field: 7})
    assert found != PRESETS["irn"]
    assert option_name(field) == f"--crf-{field.replace('_', '-')}"


def test_zero_is_a_number_like_others() -> None:
    found = CrfOptions(crf_iterations=0, crf_bilateral_compat=0.0).chosen("psa")
    assert found == CrfParams(3, 3, 80, 13, 0, 0)


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"crf": "tea"}, "--crf tea: unknown", "one of none, psa, "),
        ({"crf_iterations": 3}, "--crf-iterations: there is no CRF", "--crf names one"),
        ({"crf": "none", "crf_gaussian_sxy": 1.0}, "--crf-gaussian-sxy: there is no CRF", ""),
        ({"crf": "psa", "crf_bilateral_sxy": float("nan")}, "--crf-bilateral-sxy nan: must be", ""),
        ({"crf": "psa", "crf_bilateral_srgb": float("inf")}, "--crf-bilateral-srgb inf: must", ""),
        ({"crf": "psa", "crf_bilateral_srgb": 0.0}, "CRF standard deviations must be 0.1", ""),
        ({"crf": "psa", "crf_gaussian_compat": -1.0}, "CRF weights must lie in 0..1e+06", ""),
        ({"crf": "psa", "crf_iterations": -1}, "CRF iterations must not be below 0", ""),
    ],
)
def test_what_makes_no_crf(options: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        CrfOptions(**options).chosen()
    assert str(caught.value).startswith(said)
    assert (caught.value.hint or "").startswith(hint)


def test_an_image_that_a_crf_cannot_work_on_is_named() -> None:
    with pytest.raises(WsssError) as caught, fitting_crf("a/3"):
        raise Unfit("too narrow")
    assert str(caught.value) == "a/3: too narrow"
    with pytest.raises(ValueError, match="a bug"), fitting_crf("a/3"):
        raise ValueError("a bug")
