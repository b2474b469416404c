"""Tags that are not said, in every method that learns from tags, through the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CLASSES, tiny_scene
from made import pack_like, write_cam, write_labels, wsss

from wsss_cli.artifacts import load_weights, open_dataset
from wsss_cli.training.inputs import tag_vector, tagged_ids

IDS = [f"a/{index}" for index in range(6)]
SCENES = {name: tiny_scene(index) for index, name in enumerate(IDS)}
MASKS = {name: mask for name, (_, mask) in SCENES.items()}
TAGS = {
    name: [int(label) - 1 for label in np.unique(mask) if 0 < label < 255]
    for name, mask in MASKS.items()
}
ABSENT = {name: [c for c in range(3) if c not in tags] for name, tags in TAGS.items()}
SOME = {name: absent[:1] for name, absent in ABSENT.items()}

NETWORK = "--backbone tiny --backbone-weights random --crop 32 --freeze-stages 0 --workers 0"
RECIPE = "--epochs 2 --batch-size 3 -q"
METHODS = {
    "cam": "train-cls --method cam --probe",
    "softmax": "train-cls --method cam --loss softmax --one-tag-only --probe",
    "seam": "train-cls --method seam",
    "oaa": "train-cls --method oaa --attention-from 0 --maps maps.h5",
    "iam": "train-cls --method iam --targets cams.h5",
    "single-stage": "train-seg --method single-stage --model deeplabv1 --probe --tag-epochs 1",
    "rrm": "train-seg --method rrm --model deeplabv1 --classify-first 0.5",
    "sec": "train-seg --loss sec --labels seeds.h5 --model deeplabv1 --grid-stride 4",
    "dsrg": "train-seg --loss dsrg --labels seeds.h5 --model deeplabv1 --grid-stride 4",
}


def packed(folder: Path, name: str, absent: dict[str, list[int]] | None) -> Path:
    images = {image_id: image for image_id, (image, _) in SCENES.items()}
    return pack_like(folder / name, images, MASKS, TAGS, CLASSES, absent=absent)


Train = Callable[[str, str], "dict[str, torch.Tensor]"]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Weights that a method of METHODS learns from a data set."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    files = {"plain": None, "all": ABSENT, "some": SOME}
    for name, absent in files.items():
        packed(tmp_path, f"{name}.h5", absent)
    plain = tmp_path / "plain.h5"
    seeds = {name: np.where(mask == 255, 0, mask) for name, mask in MASKS.items()}
    write_labels(tmp_path / "seeds.h5", plain, seeds)
    cams = {
        name: {
            "cam": np.ones((len(tags), 2, 3), np.float16),
            "classes": np.array(tags, np.uint16),
        }
        for name, tags in TAGS.items()
    }
    write_cam(tmp_path / "cams.h5", plain, cams, stride=16)

    def run(method: str, data: str) -> dict[str, torch.Tensor]:
        words = f"{METHODS[method]} {NETWORK} {RECIPE} --data {data}.h5 -o {data}.pt --force"
        result = wsss(*words.split())
        assert result.exit_code == 0, result.output
        return load_weights(tmp_path / f"{data}.pt").state_dict

    yield run  # type: ignore[misc]
    torch.set_num_threads(threads)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_from_what_is_said(train: Train, method: str) -> None:
    """All others said to be absent is what a file without the field says; less is something else.

    NaN is what comes of it where a method forgets a tag that is not said.
    """
    plain, said = train(method, "plain"), train(method, "all")
    assert equal(plain, said)
    some = train(method, "some")
    assert all(bool(tensor.isfinite().all()) for tensor in some.values())
    unmoved = method in ("softmax", "dsrg")  # one tag says all; no class is held back
    assert equal(plain, some) == unmoved


def test_tags_of_an_image(tmp_path: Path) -> None:
    with open_dataset(packed(tmp_path, "d.h5", {"a/0": [2], "a/3": []})) as data:
        assert str(tag_vector(data, "a/0").tolist()) == "[1.0, nan, 0.0]"
        assert str(tag_vector(data, "a/3").tolist()) == "[1.0, 1.0, nan]"
        assert tag_vector(data, "a/1").tolist() == [0, 1, 0]


def test_images_of_which_nothing_is_said_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {image_id: image for image_id, (image, _) in SCENES.items()}
    tags, absent = {**TAGS, "a/1": [], "a/4": []}, {"a/1": [], "a/4": []}
    path = pack_like(tmp_path / "d.h5", images, MASKS, tags, CLASSES, absent=absent)
    with open_dataset(path) as data:
        assert tagged_ids(data, None, None) == ["a/0", "a/2", "a/3", "a/5"]
    assert capsys.readouterr().err.splitlines()[0] == (
        f"wsss: warning: {path}: left out: 2 of 6 images to train on, whose tags say of no class "
        "whether it is there"
    )
    nothing: dict[str, list[int]] = {name: [] for name in IDS}
    none = pack_like(tmp_path / "n.h5", images, MASKS, nothing, CLASSES, absent=nothing)
    result = wsss("train-cls", "--data", none, "-o", tmp_path / "c.pt", *NETWORK.split())
    assert (result.exit_code, result.stderr.splitlines()) == (
        3,
        [
            f"wsss: error: {none}: the tags of the 6 images to train on say of no class whether it "
            "is there",
            "wsss: hint: `wsss train-seg --labels` learns from label maps",
        ],
    )
