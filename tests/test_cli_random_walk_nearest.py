"""random-walk --method nearest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from made import contents, same, wsss
from test_cli_random_walk import folder, inputs_of, network_files, walk

from wsss_cli.artifacts import CAM, LABEL, open_artifact
from wsss_cli.core.nearest import NearestParams, assign_nearest
from wsss_cli.core.pseudo import score_stack, stack_labels

__all__ = ["folder", "network_files"]  # fixtures
NEAREST = ("--method", "nearest")


def test_scores_and_labels(folder: Path) -> None:
    options = [*NEAREST, "--scores", folder / "walk.h5", "--fg", 0.6, "--bg", 0.2, "--beta", 3]
    result = walk(folder, "psa", "out.h5", *options)
    assert result.exit_code == 0, result.stderr
    labels, walked = contents(folder / "out.h5"), contents(folder / "walk.h5")
    unsure = 0
    for image_id in ("a/0", "a/3", "a/4"):
        model, x, cam, tags, size = inputs_of(folder, "psa", image_id)
        with torch.no_grad():
            features = model(x)[0]
        scores = assign_nearest(cam, features, size, 4, params=NearestParams(0.6, 0.2, 3))
        unsure += int((scores.amax(0) < 1).sum())
        np.testing.assert_allclose(walked[image_id]["background"], scores[0], atol=1e-3)
        np.testing.assert_allclose(walked[image_id]["cam"], scores[1:], atol=1e-3)
        expected = stack_labels(score_stack(scores, size, 8), tags)
        assert (labels[image_id]["label"] == expected).mean() > 0.99
        assert set(np.unique(labels[image_id]["label"])) <= {0, *(tags + 1)}
    assert unsure > 0
    assert not labels["a/5"]["label"].any()  # no tags: background
    with open_artifact(folder / "out.h5", LABEL) as masks, open_artifact(folder / "walk.h5", CAM):
        assert masks.params == {
            **{"method": "nearest", "stride": 8, "fg": 0.6, "bg": 0.2, "beta": 3.0},
            **{"max_side": 1024, "precision": "f32", "crf": None, "crf_unary": None},
        }


def test_maps_go_on_and_shards_make_no_difference(folder: Path) -> None:
    assert walk(folder, "psa", "all.h5", *NEAREST, "--scores", folder / "w.h5").exit_code == 0
    parts = [folder / f"{part}.h5" for part in (1, 2)]
    for part, path in enumerate(parts, 1):
        options = [*NEAREST, "--shard", f"{part}/2", "--workers", part]
        assert walk(folder, "psa", path.name, *options).exit_code == 0
    assert wsss("merge", *parts, "-o", folder / "merged.h5").exit_code == 0
    same(folder / "all.h5", folder / "merged.h5")
    result = wsss("eval", folder / "w.h5", "--data", folder / "data.h5")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("method", "options", "code", "message"),
    [
        ("irn", NEAREST, 3, "--method nearest: needs psa weights, and these are irn"),
        ("psa", [*NEAREST, "--steps", "3"], 2, "--steps: is of the walk, and --method is nearest"),
        ("psa", [*NEAREST, "--alpha", "4"], 2, "--alpha: is of the walk"),
        ("psa", [*NEAREST, "--no-flip"], 2, "--flip: is of the walk"),
        ("psa", [*NEAREST, "--fg", "0.01"], 2, "--method nearest: bg 0.05, fg 0.01: need"),
        ("psa", [*NEAREST, "--beta", "nan"], 2, "--method nearest: beta nan: must be 0 or more"),
        ("psa", ["--fg", "0.3"], 2, "--fg: needs --method nearest"),
    ],
)
def test_what_does_not_fit(
    folder: Path, method: str, options: list[str], code: int, message: str
) -> None:
    result = walk(folder, method, "out.h5", *options)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert not (folder / "out.h5").exists()
