"""eval --boxes: figures against plain loops, whose boxes and thresholds they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from boxed import BOXES, blobs, write_boxed
from made import pack_like, write_cam
from scipy import ndimage

from wsss_cli.artifacts import open_artifact, open_dataset
from wsss_cli.errors import WsssError
from wsss_cli.options.thresholds import ThresholdChoice
from wsss_cli.scoring.localisation import BoxTruth, localise
from wsss_cli.scoring.protocol import Rules
from wsss_cli.scoring.report import Asked

SWEEP = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]


def report_of(cam: Path, data: Path, source: str = "annotated", **options: object) -> dict:
    """The report of all images of `cam`, or of `ids`."""
    choice = options.get("choice", ThresholdChoice())
    ids = options.get("ids")
    with open_artifact(cam) as found, open_dataset(data) as truth:
        rules = Rules("union", "error", SWEEP, choice)  # type: ignore[arg-type]
        true = BoxTruth(truth, source, bool(options.get("difficult", True)))
        images = list(ids) if ids else found.ids  # type: ignore[call-overload]
        return localise(found, true, images, Asked(None, None, 0, rules), quiet=True)


def iou(a: list[float], b: list[float]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0) * max(high, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def plain(cams: dict, share: float, difficult: bool = True) -> list[tuple[str, int, float, float]]:
    """(image, class, overlap of the largest part, of the best part) of every pair."""
    rows = []
    for image_id, drawn in BOXES.items():
        for index in sorted({one[0] for one in drawn if difficult or not one[2]}):
            truth = [one[1] for one in drawn if one[0] == index and (difficult or not one[2])]
            place = cams[image_id]["classes"].tolist().index(index)
            one = cams[image_id]["cam"][place].astype(np.float32)
            labels, count = ndimage.label(one > np.float32(share) * one.max())
            best, size, every = 0.0, 0, 0.0
            for part in range(1, count + 1):
                y, x = np.nonzero(labels == part)
                box = [x.min(), y.min(), x.max() + 1, y.max() + 1]
                overlap = max(iou(box, t) for t in truth)
                every = max(every, overlap)
                if len(x) > size:
                    best, size = overlap, len(x)
            rows.append((image_id, index, best, every))
    return rows


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, dict]:
    data, cams = write_boxed(tmp_path / "data.h5"), blobs()
    return write_cam(tmp_path / "cam.h5", data, cams, stride=1), data, cams


@pytest.mark.parametrize("difficult", [True, False])
def test_corloc_and_max_box_acc_by_brute_force(
    files: tuple[Path, Path, dict], difficult: bool
) -> None:
    cam, data, cams = files
    report = report_of(cam, data, difficult=difficult)
    rows = {share: plain(cams, share, difficult) for share in SWEEP}
    chosen, oracle = report["scores"]["chosen"], report["scores"]["oracle"]
    assert chosen["threshold"] == 0.2
    ids = report["ids"]
    assert report["pairs"] == [
        [ids.index(image), index, pytest.approx(one, abs=1e-6), pytest.approx(every, abs=1e-6)]
        for image, index, one, every in rows[0.2]
    ]
    v1 = {share: np.mean([row[2] >= 0.5 for row in rows[share]]) for share in SWEEP}
    v2 = {
        bound: {share: np.mean([row[3] >= bound for row in rows[share]]) for share in SWEEP}
        for bound in (0.3, 0.5, 0.7)
    }
    assert chosen["max_box_acc"] == pytest.approx(v1[0.2])
    assert oracle["max_box_acc"] == pytest.approx(max(v1.values()))
    assert v1[oracle["threshold"]] == max(v1.values())
    assert chosen["every"] == pytest.approx([one[0.2] for one in v2.values()])
    assert oracle["max_box_acc_v2"] == pytest.approx(
        np.mean([max(one.values()) for one in v2.values()])
    )
    shares = []
    for index in sorted({row[1] for row in rows[0.2]}):
        shares.append(np.mean([row[2] >= 0.5 for row in rows[0.2] if row[1] == index]))
    assert chosen["corloc"] == pytest.approx(np.mean(shares))
    assert 0 < chosen["corloc"] < 1  # or this test would say little


def test_a_class_of_difficult_boxes_alone_is_no_pair_without_them(
    files: tuple[Path, Path, dict],
) -> None:
    cam, data, _ = files
    assert len(report_of(cam, data)["pairs"]) == 6
    assert len(report_of(cam, data, difficult=False)["pairs"]) == 5


def test_a_pair_without_a_map_is_not_found(tmp_path: Path) -> None:
    data, cams = write_boxed(tmp_path / "data.h5"), blobs()
    cams["c"] = {"cam": np.zeros((0, 40, 60), np.float16), "classes": np.zeros(0, np.uint16)}
    report = report_of(write_cam(tmp_path / "cam.h5", data, cams, stride=1), data)
    assert report["protocol"]["pairs_without_map"] == 1
    assert [row[2:] for row in report["pairs"] if row[0] == 2] == [[0, 0]]


def test_images_whose_boxes_are_not_known_are_left_out(tmp_path: Path) -> None:
    data = write_boxed(tmp_path / "data.h5", missing=("a", "e"))
    report = report_of(write_cam(tmp_path / "cam.h5", data, blobs(), stride=1), data)
    assert report["ids"] == ["b", "c", "d"]
    assert report["protocol"]["images_without_boxes"] == 2


def test_the_order_of_images_changes_nothing(files: tuple[Path, Path, dict]) -> None:
    cam, data, _ = files
    one, other = report_of(cam, data), report_of(cam, data, ids=list("edcba"))
    assert one["scores"] == other["scores"]
    assert sorted(one["pairs"]) == sorted(other["pairs"])


def test_boxes_of_masks_are_around_their_parts(tmp_path: Path) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 5:25], mask[20:30, 25:40], mask[3:6, 50:60], mask[0] = 1, 1, 2, 255
    image = np.zeros((40, 60, 3), np.uint8)
    data = pack_like(
        tmp_path / "data.h5", {"x": image, "y": image}, {"x": mask}, {"x": [0, 1]}, ["one", "two"]
    )
    maps = np.stack([mask == 1, mask == 2]).astype(np.float16)
    both = {"cam": maps, "classes": np.array([0, 1], np.uint16)}
    none = {"cam": maps[:0], "classes": np.zeros(0, np.uint16)}
    cam = write_cam(tmp_path / "cam.h5", data, {"x": both, "y": none}, stride=1)
    with open_dataset(data) as truth:
        found = BoxTruth(truth, "masks").of("x")
        assert found is not None
        assert {k: v.tolist() for k, v in found.items()} == {
            0: [[5, 5, 25, 20], [25, 20, 40, 30]],
            1: [[50, 3, 60, 6]],
        }
    report = report_of(cam, data, "masks")
    scores = report["scores"]
    assert scores["chosen"]["corloc"] == scores["chosen"]["max_box_acc_v2"] == 1
    assert scores["pxap"] == 1  # a perfect mask
    assert report["protocol"]["images_without_boxes"] == 1
    with pytest.raises(WsssError, match="none of the 2 images to score has true boxes") as caught:
        report_of(cam, data)
    assert "--boxes masks" in str(caught.value.hint)


def test_images_without_objects_alone_cannot_be_scored(files: tuple[Path, Path, dict]) -> None:
    cam, data, _ = files
    with pytest.raises(WsssError, match="the 1 images to score show no object"):
        report_of(cam, data, ids=["d"])


def test_a_threshold_is_chosen_on_other_images(files: tuple[Path, Path, dict]) -> None:
    cam, data, _ = files
    given = report_of(cam, data, choice=ThresholdChoice(threshold=0.25))["scores"]
    assert given["chosen"]["threshold"] == 0.25
    assert given["chosen"]["how"] == "given by --threshold"
    assert given["oracle"]["threshold"] in SWEEP  # 0.25 is not among those tried
    best = report_of(cam, data, ids=list("cde"))["scores"]["oracle"]["threshold"]
    other = report_of(cam, data, ids=list("ab"), choice=ThresholdChoice(calibrate_split="two"))[
        "scores"
    ]
    assert other["chosen"]["threshold"] == best
    assert other["chosen"]["how"] == "best on split two, by boxes of 3 images not scored here"
    with pytest.raises(WsssError, match="chose its threshold with the boxes of 2 images"):
        report_of(cam, data, ids=list("ab"), choice=ThresholdChoice(calibrate_split="one"))
