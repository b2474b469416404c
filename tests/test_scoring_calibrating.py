"""The few images whose masks choose a threshold."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from made import pack_like, write_cam

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.scoring.calibrating import best_threshold, drawn, listed

IDS = [f"i{number:02}" for number in range(12)]
BLIND = {"i03", "i07"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve images of a class on their left, two of them without a mask."""
    images = dict.fromkeys(IDS, np.zeros((32, 48, 3), np.uint8))
    mask = np.zeros((32, 48), np.uint8)
    mask[:, :24] = 1
    masks = {image_id: mask for image_id in IDS if image_id not in BLIND}
    return pack_like(tmp_path / "d.h5", images, masks, {image_id: [0] for image_id in IDS}, ["a"])


def test_images_are_drawn_by_the_seed_whatever_their_order(data: Path) -> None:
    mixed = list(IDS)
    random.Random(0).shuffle(mixed)
    with open_dataset(data) as truth:
        draws = {seed: drawn(IDS, truth, 4, seed) for seed in range(30)}
        assert draws[0] == drawn(mixed, truth, 4, 0)
        for few in draws.values():
            assert few == sorted(set(few))
            assert len(few) == 4
            assert not BLIND & set(few)
        # Each image is drawn sometimes, and not always.
        assert set().union(*draws.values()) == set(IDS) - BLIND
        assert not set.intersection(*map(set, draws.values()))
        assert len(drawn(IDS, truth, 9, 0)) == 9
        with pytest.raises(WsssError) as caught:
            drawn(IDS, truth, 10, 0)
    assert str(caught.value) == (
        f"{data}: 10 of the images to score have a mask; --calibrate 10 leaves none of them"
    )


def test_images_that_are_listed(data: Path, tmp_path: Path) -> None:
    def of(text: str) -> list[str]:
        (tmp_path / "l").write_text(text)
        with open_dataset(data) as truth:
            return listed(IDS[:8], truth, str(tmp_path / "l"))

    assert of("i05\ni01\n\ni05\n") == ["i01", "i05"]
    for text, said in {
        "i01\ni09": r"l: 1 of 2 ids are not in the images to score, first 'i09'",
        "i07\ni01\ni03": r"l: 2 of 3 images have no mask in .*d\.h5, first 'i03'",
        "i00\ni01\ni02\ni04\ni05\ni06": "l: lists all images to score that have a mask",
        "": "l: names no image",
    }.items():
        with pytest.raises(WsssError, match=said):
            of(text)


def test_the_best_threshold_of_these_images_alone(data: Path, tmp_path: Path) -> None:
    """The map is 0.8 on the class; beside it, it is 0.5 in the first three images, else 0.2."""
    cams = {}
    for number, image_id in enumerate(IDS):
        cam = np.full((1, 8, 12), 0.5 if number < 3 else 0.2, np.float16)
        cam[:, :, :6] = 0.8
        cams[image_id] = {"cam": cam, "classes": np.zeros(1, np.uint16)}
    path = write_cam(tmp_path / "c.h5", data, cams)
    with open_dataset(data) as truth, open_artifact(path) as maps:

        def best(ids: list[str]) -> tuple[float, int]:
            return best_threshold(maps, truth, ids, [0.1, 0.3, 0.6, 0.9], "union")

        assert best(IDS[:3]) == (0.6, 3)
        assert best(IDS[3:]) == (0.3, 7)  # two have no mask
        assert best(IDS) == (0.6, 10)


def test_masks_without_a_class_choose_nothing(tmp_path: Path) -> None:
    images = dict.fromkeys("ab", np.zeros((32, 48, 3), np.uint8))
    masks = {"a": np.full((32, 48), 255, np.uint8), "b": np.ones((32, 48), np.uint8)}
    data = pack_like(tmp_path / "d.h5", images, masks, {key: [0] for key in "ab"}, ["x"])
    cams = {"cam": np.ones((1, 8, 12), np.float16), "classes": np.zeros(1, np.uint16)}
    maps = write_cam(tmp_path / "c.h5", data, dict.fromkeys("ab", cams))
    said = "the masks of the 1 images that choose the threshold hold only 255"
    with (
        open_artifact(maps) as found,
        open_dataset(data) as truth,
        pytest.raises(WsssError, match=said),
    ):
        best_threshold(found, truth, ["a"], [0.1], "union")
