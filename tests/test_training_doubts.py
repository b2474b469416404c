"""What images cannot teach, said before training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import pack_like, write_labels

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.training.doubts import doubt_tags
from wsss_cli.training.inputs import labelled_ids, tagged_ids

IMAGE = np.zeros((4, 5, 3), np.uint8)
CLASSES = ["cat", "dog", "cow"]


def packed(folder: Path, tags: dict[str, list[int]], **splits: list[str]) -> Path:
    return pack_like(folder / "d.h5", dict.fromkeys(tags, IMAGE), {}, tags, CLASSES, splits)


def test_classes_of_every_image_that_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = packed(tmp_path, {"a": [0], "b": [0, 1], "c": [2]}, train=["a", "b"], val=["c"])
    with open_dataset(path) as data:
        assert tagged_ids(data, None, "val") == ["a", "b"]
        said = capsys.readouterr().err.splitlines()
        assert said == [
            f"wsss: warning: {path}: in training, on all 2 images: cat; nothing "
            "tells a classifier where to look, so maps of it mean little: add images without it",
            f"wsss: warning: {path}: in training, 1 classes are on no image, first cow",
        ]
        tagged_ids(data, None, "val", speaks=False)
        doubt_tags(data, ["a", "b", "c"])
        assert capsys.readouterr().err == ""


def labelled(folder: Path, *values: int) -> Path:
    """Labels of one image each, 255 but for two pixels."""
    names = [f"i{place}" for place in range(len(values))]
    data = packed(folder, {name: [0] for name in names})
    labels = {name: np.full((4, 5), 255, np.uint8) for name in names}
    for name, value in zip(names, values, strict=True):
        labels[name][0, :2] = value
    return write_labels(folder / "s.h5", data, labels)


@pytest.mark.parametrize(
    ("values", "named"), [((0, 0, 255), "background"), ((2, 2), "dog"), ((0, 2), None)]
)
def test_a_single_label_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: tuple[int, ...], named: str | None
) -> None:
    path = labelled(tmp_path, *values)
    with open_artifact(path) as labels, open_dataset(None, labels) as data:
        assert labelled_ids(data, labels, None, None) == list(labels.ids)
        said = capsys.readouterr().err
        if named is None:
            assert said == ""
        else:
            assert said == (
                f"wsss: warning: {path}: every label of the {len(values)} images to train on is "
                f"{named}: a network learns to predict nothing else\n"
            )
        labelled_ids(data, labels, None, None, speaks=False)
        assert capsys.readouterr().err == ""


def test_no_label_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = labelled(tmp_path, 255, 255)
    with open_artifact(path) as labels, open_dataset(None, labels) as data:
        labelled_ids(data, labels, None, None)
    assert capsys.readouterr().err == (
        f"wsss: warning: {path}: no pixel of the 2 images to train on has a label, all are 255: "
        "there is nothing to learn\n"
    )
