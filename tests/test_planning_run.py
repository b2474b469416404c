"""What a run on a cluster scores, and which stages leave their precision to the node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import masks_of, pack_like, write_labels

import wsss_cli.cli  # noqa: F401 - tells the chain its commands
from wsss_cli.errors import WsssError
from wsss_cli.planning.chain import NAMES, STAGES
from wsss_cli.planning.run import Plan, Score, undecided, what_to_score


def test_maps_and_labels_are_scored_on_what_they_are_made_of(tiny_data: Path) -> None:
    train, val, scores = what_to_score([], tiny_data, STAGES, None, None)
    assert (train, val) == ("train", "val")
    assert scores == [
        Score("cam.h5", "cam.json", "train"),
        Score("seeds.h5", "seeds.json", "train"),
        Score("pseudo.h5", "pseudo.json", "train"),
        Score("pred.h5", "pred.json", "val"),
    ]
    assert what_to_score([], tiny_data, STAGES[:2], "val", "train") == (
        "val",
        "train",
        [Score("cam.h5", "cam.json", "val")],
    )


def test_images_without_masks_are_not_scored(tmp_path: Path) -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    splits = {"train": ["x"], "val": ["y"]}
    data = pack_like(
        tmp_path / "d.h5", {"x": image, "y": image}, {"y": image[..., 0]}, {}, ["a"], splits
    )
    assert what_to_score([], data, STAGES, None, None)[2] == [Score("pred.h5", "pred.json", "val")]


def test_files_that_are_named_are_scored_beside_themselves(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_labels(tmp_path / "p.x.h5", tiny_data, masks_of(tiny_data))
    monkeypatch.chdir(tmp_path)
    found = what_to_score([Path("p.x.h5")], None, STAGES, "train", None)
    scored = Score(f"{tmp_path}/p.x.h5", f"{tmp_path}/p.x.json", "train")
    assert found == ("train", None, [scored])
    with pytest.raises(WsssError, match="holds wsss/dataset, not wsss/label or wsss/cam"):
        what_to_score([tiny_data], None, STAGES, None, None)
    with pytest.raises(WsssError, match=r"gone\.h5: no such file"):
        what_to_score([Path("gone.h5")], None, STAGES, None, None)


def test_stages_of_any_nodes_precision(tmp_path: Path) -> None:
    flags = dict.fromkeys(NAMES, "")
    flags["make-cam"] = flags["train-seg"] = "--precision auto"
    flags["predict"] = "--precision bf16"
    plan = Plan(tmp_path, STAGES, [], None, None, 1, None, flags)
    assert undecided(plan) == ["make-cam", "train-seg"]
    assert plan.folder == tmp_path / "slurm"
