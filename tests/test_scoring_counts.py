"""The sums that eval's scores come from, by hand on images of four pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import pack_like, write_cam, write_labels

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.scoring.counts import MapCounts, Outcome, score_labels, score_maps

IMAGE = np.zeros((2, 2, 3), np.uint8)
MASKS = {
    "x": np.array([[0, 1], [1, 255]], np.uint8),
    "y": np.array([[0, 0], [1, 1]], np.uint8),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images with masks, and one without."""
    images = dict.fromkeys("xyz", IMAGE)
    tags = {image_id: [0] for image_id in images}
    return pack_like(tmp_path / "d.h5", images, MASKS, tags, ["cat"])


def of_labels(
    data: Path, labels: dict[str, np.ndarray], average: str = "union", unlabelled: str = "error"
) -> Outcome:
    path = data.with_name("p.h5")
    if not path.exists():
        write_labels(path, data, labels)
    with open_artifact(path) as found, open_dataset(data) as truth:
        return score_labels(found, truth, found.ids, average, unlabelled)


def flat(value: float, background: float | None = None) -> dict[str, np.ndarray]:
    """A map of one cell, which covers the whole image."""
    item = {"cam": np.full((1, 1, 1), value, np.float16), "classes": np.zeros(1, np.uint16)}
    if background is not None:
        item["background"] = np.full((1, 1), background, np.float16)
    return item


def of_maps(
    data: Path,
    cams: dict[str, dict[str, np.ndarray]],
    sweep: list[float],
    threshold: tuple[float, str] | None,
) -> Outcome:
    path = data.with_name("c.h5")
    if not path.exists():
        write_cam(path, data, cams)
    with open_artifact(path) as found, open_dataset(data) as truth:
        return score_maps(found, truth, found.ids, "union", sweep, threshold)


def test_labels_are_counted_pixel_by_pixel(data: Path) -> None:
    label = np.array([[0, 1], [0, 1]], np.uint8)
    outcome = of_labels(data, {"x": label, "z": label})
    assert (outcome.counted, outcome.without_mask, outcome.sweep) == (["x"], 1, [])
    point = outcome.points["labels"]
    assert point.how == "as in the file"
    assert point.scores.matrix.tolist() == [[1, 0, 0], [1, 1, 0]]
    assert point.scores.miou == 0.5
    told = point.as_dict()
    assert (told["threshold"], told["images_without_class"]) == (None, 0)
    assert told["background_precision"] == 0.5
    assert told["foreground_precision"] == 1
    assert told["matrix"] == [[1, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize(
    ("unlabelled", "matrix"),
    [("error", [[0, 0, 1], [0, 0, 2]]), ("background", [[1, 0, 0], [2, 0, 0]])],
)
def test_what_is_not_labelled(data: Path, unlabelled: str, matrix: list[list[int]]) -> None:
    outcome = of_labels(data, {"x": np.full((2, 2), 255, np.uint8)}, unlabelled=unlabelled)
    point = outcome.points["labels"]
    assert point.scores.matrix.tolist() == matrix
    assert point.images_without_class == 1


def test_the_average_over_all_labels_counts_absent_ones(tmp_path: Path) -> None:
    data = pack_like(tmp_path / "d.h5", {"x": IMAGE}, {"x": MASKS["y"]}, {}, ["cat", "dog"])
    assert of_labels(data, {"x": MASKS["y"]}).points["labels"].scores.miou == 1
    every = of_labels(data, {"x": MASKS["y"]}, "all").points["labels"].scores.miou
    assert every == pytest.approx(2 / 3)


def test_labels_that_do_not_fit_are_named(data: Path) -> None:
    with pytest.raises(WsssError) as caught:
        of_labels(data, {"x": np.zeros((2, 3), np.uint8)})
    said = "truth of (2, 2) and prediction of (2, 3) differ in shape"
    assert str(caught.value) == f"{data.with_name('p.h5')}: image 'x': {said}"


def test_no_mask_no_score(data: Path) -> None:
    said = "none of the 1 images to score has a mask"
    with pytest.raises(WsssError, match=said) as caught:
        of_labels(data, {"z": MASKS["x"]})
    assert "`wsss pack` takes masks along" in str(caught.value.hint)
    with pytest.raises(WsssError, match=said):
        of_maps(data, {"z": flat(1)}, [0.5], None)


def test_a_class_wins_strictly_above_the_threshold(data: Path) -> None:
    cams = {"x": flat(0.5), "y": flat(0.25), "z": flat(1)}
    outcome = of_maps(data, cams, [0.2, 0.25, 0.5], (0.4, "given"))
    assert (outcome.counted, outcome.without_mask) == (["x", "y"], 1)
    chosen, oracle = outcome.points["chosen"], outcome.points["oracle"]
    # At 0.4 x is cat throughout, y background.
    assert chosen.scores.matrix.tolist() == [[2, 1, 0], [2, 2, 0]]
    assert (chosen.threshold, chosen.how, chosen.images_without_class) == (0.4, "given", 1)
    assert chosen.scores.miou == pytest.approx((2 / 5 + 2 / 5) / 2)
    # At 0.2 both are cat, at 0.25 only x, at 0.5 neither.
    assert outcome.sweep == [
        (0.2, pytest.approx(4 / 7 / 2)),
        (0.25, pytest.approx(2 / 5)),
        (0.5, pytest.approx(3 / 7 / 2)),
    ]
    assert (oracle.threshold, oracle.images_without_class) == (0.25, 1)
    assert oracle.how == "oracle (chosen with these masks): best of 3, 0.2 to 0.5"


def test_each_image_keeps_its_matrix_at_each_point(data: Path) -> None:
    cams = {"x": flat(0.5, 0.25), "y": flat(0.25, 0.75)}
    points = of_maps(data, cams, [0.2, 0.25, 0.5], (0.3, "given")).points
    as_cat, as_background = [[0, 1, 0], [0, 2, 0]], [[2, 0, 0], [2, 0, 0]]
    for name, second in (("chosen", as_background), ("background", as_background)):
        images = points[name].images
        assert images is not None
        assert images.take([0]).total().tolist() == as_cat, name
        assert images.take([1]).total().tolist() == second, name
    for point in points.values():
        assert point.images is not None
        assert (point.images.total() == point.scores.matrix).all()
    label = np.array([[0, 1], [255, 1]], np.uint8)
    images = of_labels(data, {"x": label, "y": label}).points["labels"].images
    assert images is not None
    assert images.take([0]).total().tolist() == [[1, 0, 0], [0, 1, 1]]


def test_of_equal_thresholds_the_lowest_is_best(data: Path) -> None:
    outcome = of_maps(data, {"x": flat(0.5)}, [0.1, 0.2, 0.3], None)
    assert outcome.points["oracle"].threshold == 0.1
    assert set(outcome.points) == {"oracle"}


def test_the_files_own_background(data: Path) -> None:
    cams = {"x": flat(0.5, 0.25), "y": flat(0.5, 0.75)}
    own = of_maps(data, cams, [0.5], None).points["chosen"]
    assert own.scores.matrix.tolist() == [[2, 1, 0], [2, 2, 0]]
    assert (own.how, own.threshold) == ("the file's own background scores", None)
    assert own.images_without_class == 1
    both = of_maps(data, cams, [0.5], (0.1, "given")).points
    assert both["background"].scores.matrix.tolist() == own.scores.matrix.tolist()
    assert both["chosen"].threshold == 0.1
    assert both["chosen"].images_without_class == 0


@pytest.mark.parametrize(
    ("value", "said"), [(255, "255, which is not counted"), (0, r"background \(0\) and 255")]
)
def test_masks_without_a_class_score_nothing(tmp_path: Path, value: int, said: str) -> None:
    masks = {"x": np.full((2, 2), value, np.uint8)}
    data = pack_like(tmp_path / "d.h5", {"x": IMAGE}, masks, {"x": [0]}, ["cat"])
    expected = rf"no pixel of the truth holds a class: the masks of the 1 images .* only {said}$"
    with pytest.raises(WsssError, match=expected):
        of_maps(data, {"x": flat(0.5)}, [0.1, 0.2], (0.1, "given"))
    with pytest.raises(WsssError, match=expected):
        of_labels(data, {"x": np.ones((2, 2), np.uint8)})


def test_masks_number_254_classes(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(255)]
    data = pack_like(tmp_path / "d.h5", {"x": IMAGE}, {}, {"x": [0]}, names)
    path = write_cam(tmp_path / "c.h5", data, {"x": flat(1)})
    with (
        open_artifact(path) as found,
        open_dataset(data) as truth,
        pytest.raises(WsssError, match="has 255 classes; masks hold 254 at most"),
    ):
        MapCounts(found, truth, [0.5])
