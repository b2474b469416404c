"""Names of masks: what --mask-suffix makes of an image's, and what a hint proposes."""

from __future__ import annotations

import re
import shlex

import pytest

from wsss_cli.formats.mask_names import found_suffix, mask_names, way_to


@pytest.mark.parametrize(
    ("stem", "suffix", "expected"),
    [
        ("a/f0", "", ["a/f0"]),
        ("a/f0", "_mask", ["a/f0_mask"]),
        ("a/f0", "/mask", ["a/f0/mask"]),
        ("a/f0", "_mask.png", ["a/f0_mask.png", "a/f0_mask"]),
        ("a/f0", "mask_*", ["a/mask_f0"]),
        ("a/f0", "*_m.tif", ["a/f0_m.tif", "a/f0_m"]),
        ("a/f_sat", "_sat=_map", ["a/f_map"]),
        ("a/f_sat", "_sat.jpg=_map.png", ["a/f_map.png", "a/f_map"]),
        ("a/img_0", "img=mask", ["a/mask_0"]),
        ("img/f0", "img=mask", []),
        ("a/f0", "_sat=_map", []),
    ],
)
def test_names_of_masks(stem: str, suffix: str, expected: list[str]) -> None:
    assert mask_names(stem, suffix) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("f1_mask", "f10_mask", "b/f2_mask"), "_mask"),
        (("mask_f1", "mask_f10", "b/mask_f2"), "mask_*"),
        (("mask_f1", "mask_f10"), "mask_*"),
        (("mask_f1", "map_f10", "b/mask_f2", "x"), ""),
        (("1f1", "1f10", "b/1f2"), ""),  # which may be other numbers
        (("f1", "f10"), ""),
    ],
)
def test_the_only_suffix_is_found(names: tuple[str, ...], expected: str) -> None:
    assert found_suffix(["f1", "f10", "b/f2"], names) == expected


@pytest.mark.parametrize(
    ("stem", "there"),
    [
        ("f0", "f0_mask.png"),
        ("a/f0", "a/mask_f0.png"),
        ("f0", "gt f0 final.png"),
        ("a/b_000_19_leftImg8bit", "a/b_000_19_gtFine_labelIds.png"),
        ("img_0001", "mask_0001.png"),
        ("img0001", "mask0001.png"),
        ("IMG-12 (3)", "MSK-12 (3).png"),
    ],
)
def test_the_suffix_that_a_hint_proposes_finds_the_mask(stem: str, there: str) -> None:
    others = [there.replace("1", "2"), there.replace("0", "7")]
    _, suffix, *_ = shlex.split(way_to(stem, [there, *others]))
    assert mask_names(stem, suffix) == [there.removesuffix(".png")]


@pytest.mark.parametrize(
    ("there", "hint"),
    [
        ("a/f0.png", "a mask lies in the same folder below --masks as its image .* here in a and"),
        ("F0.PNG", "small and capital letters in the names"),
        ("other.png", "a mask has the name of its image"),
    ],
)
def test_other_ways(there: str, hint: str) -> None:
    assert re.match(hint, way_to("f0", [there]))
