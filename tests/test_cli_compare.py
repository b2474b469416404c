"""compare: what it prints, and the command lines that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made import masks_of, random_cams, write_cam, write_labels, wsss
from reports import predictions, write_report_on


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three trainings each of a system and of a better one."""
    return [
        write_report_on(
            tmp_path / f"{letter}{seed}.json",
            predictions(25, seed + offset, quality),
            run=f"{letter}{seed}",
        )
        for letter, offset, quality in (("a", 0, 0.5), ("b", 10, 0.7))
        for seed in range(3)
    ]


def test_two_files(files: list[Path]) -> None:
    result = wsss("compare", files[0], files[3])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "B leads by" in result.stdout
    assert "of these two files" in result.stdout
    assert wsss("compare", files[0], files[3]).stdout == result.stdout
    assert wsss("compare", files[0], "vs", files[3]).stdout == result.stdout
    assert wsss("compare", files[0], files[3], "--seed", 1).stdout != result.stdout


def test_the_same_file_twice(files: list[Path]) -> None:
    found = json.loads(wsss("compare", files[0], files[0], "--json").stdout)
    assert found["miou"] == {"difference": 0.0, "interval": [0.0, 0.0], "p": 1.0}


def test_several_trainings(files: list[Path]) -> None:
    result = wsss("compare", *files[:3], "vs", *files[3:])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "but 3 pairs cannot show it: their p is never below 0.25" in result.stdout
    found = json.loads(
        wsss("compare", *files[:3], "vs", *files[3:], "--json", "--draws", 500).stdout
    )
    assert (found["format"], found["version"]) == ("wsss/compare", 1)
    assert found["trainings"]["pairs"] == 3
    assert (found["bootstrap"]["draws"], found["permutation"]["swaps"]) == (500, 10_000)


def test_evals_of_labels_and_of_maps(tiny_data: Path, tmp_path: Path) -> None:
    cam = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    labels = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    for path in (cam, labels):
        assert wsss("eval", path, "--json", path.with_suffix(".json")).exit_code == 0
    pair = (tmp_path / "cam.json", tmp_path / "p.json")
    for point in ("chosen", "oracle"):
        result = wsss("compare", *pair, "--point", point)
        assert result.exit_code == 0, result.stderr
        assert f"{point}: threshold" in result.stdout
    lacking = wsss("compare", *pair, "--point", "background")
    assert lacking.exit_code == 3
    assert "holds no operating point background, but chosen, oracle" in lacking.stderr


def test_other_images_are_refused(files: list[Path], tmp_path: Path) -> None:
    fewer = write_report_on(tmp_path / "c.json", predictions(24, 1), run="c")
    result = wsss("compare", files[0], fewer)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "c.json: of other images than" in result.stderr
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a0.json"], "compare takes two files"),
        (["a0.json", "a1.json", "a2.json"], "compare takes two files"),
        (["a0.json", "vs", "a1.json", "vs", "a2.json"], "compare takes two files"),
        (["a0.json", "a1.json", "vs", "b0.json"], "2 files before vs and 1 after it"),
        (["vs", "a0.json"], "0 files before vs"),
        (["vs", "vs"], "compare takes two files"),
        (["a0.json", "b0.json", "--draws", "99"], "--draws"),
        (["a0.json", "b0.json", "--permutations", "9999"], "--permutations"),
        (["a0.json", "b0.json", "--point", "best"], "best"),
    ],
)
def test_what_no_comparison_is(files: list[Path], words: list[str], said: str) -> None:
    folder = files[0].parent
    result = wsss("compare", *(folder / w if w.endswith(".json") else w for w in words))
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
