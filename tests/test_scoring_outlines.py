"""Scores of outlines and by size, over images, image by image and through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import masks_of, random_cams, write_cam, write_labels, wsss
from test_core_boundary import ANY, N, blobs

from wsss_cli.core.boundary import band_counts, band_width, fill_void
from wsss_cli.options.outlines import OutlineOptions
from wsss_cli.scoring.outlines import Outlines

ALL = OutlineOptions(boundary=True, boundary_band=0.1, boundary_tolerance=0.1, sizes="10,40")


def pairs(first: int, count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        f"i{seed}": (blobs(seed, (14, 17), ANY), blobs(seed + 100, (14, 17)))
        for seed in range(first, first + count)
    }


def told(
    images: dict[str, tuple[np.ndarray, np.ndarray]],
    average: str = "union",
    n_labels: int = N,
    unlabelled: str = "error",
) -> dict[str, Any]:
    outlines = Outlines(n_labels, ALL, unlabelled)
    for image_id, (truth, pred) in images.items():
        outlines.add(image_id, truth, pred)
    found = outlines.as_dict(average)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def test_nothing_asked_nothing_told() -> None:
    outlines = Outlines(N, OutlineOptions())
    outlines.add("x", blobs(1, (5, 5)), blobs(2, (5, 5)))
    assert outlines.as_dict("union") == {}


def test_perfect_labels_score_one() -> None:
    truth = blobs(3, (20, 20), ANY)
    found = told({"x": (truth, np.where(truth == 255, np.uint8(1), truth))})
    assert found["boundary"]["boundary_iou"] == found["boundary"]["boundary_f"] == 1
    sizes = found["object_sizes"]
    there = [k for k, objects in enumerate(sizes["objects"]) if objects]
    for key in ("found", "mean_iou", "mean_recall"):
        assert [sizes[key][k] for k in there] == [1] * len(there)


def test_sums_over_images_and_means_over_labels() -> None:
    images = pairs(1, 5)
    sums = np.zeros((N, 2), np.int64)
    for truth, pred in images.values():
        sums += band_counts(fill_void(truth, pred), N, band_width(truth.shape, 0.1))
    found = told(images)["boundary"]
    assert [found["intersection"], found["union"]] == sums.T.tolist()
    iou = sums[:, 0] / sums[:, 1]
    assert found["iou"] == pytest.approx(iou.tolist())
    assert found["boundary_iou"] == pytest.approx(iou.mean())


def test_scores_follow_from_the_rows_of_images() -> None:
    images = pairs(10, 20)
    found = told(images)
    boundary, sizes = found["boundary"], found["object_sizes"]
    rows = [
        dict(zip(boundary["columns"], row, strict=True))
        for r in boundary["images"].values()
        for row in r
    ]
    for label in range(N):
        of = [row for row in rows if row["label"] == label]
        shared, either = (sum(row[key] for row in of) for key in ("intersection", "union"))
        assert boundary["iou"][label] == pytest.approx(shared / either)
        assert boundary["f"][label] == pytest.approx(np.mean([row["f"] for row in of]))
    of_image = [np.mean([row[-1] for row in r]) for r in boundary["images"].values()]
    assert boundary["boundary_f"] == pytest.approx(np.mean(of_image))
    rows = [
        dict(zip(sizes["columns"], row, strict=True)) for r in sizes["images"].values() for row in r
    ]
    for size in range(3):
        of = [row for row in rows if row["size"] == size]
        assert sizes["objects"][size] == sum(row["objects"] for row in of)
        ious = []
        for label in {row["label"] for row in of}:
            mine = [row for row in of if row["label"] == label]
            shared, either = (sum(row[key] for row in mine) for key in ("intersection", "union"))
            ious.append(shared / either)
            assert sizes["iou"][label][size] == pytest.approx(shared / either)
        assert sizes["classes"][size] == len(ious)
        assert sizes["mean_iou"][size] == pytest.approx(np.mean(ious))
    rows = [row for r in sizes["images_elsewhere"].values() for row in r]
    assert sum(sizes["elsewhere"]) == sum(pixels for _, pixels in rows) > 0


def test_images_add_up_in_any_order() -> None:
    images = pairs(20, 4)
    one = told(images)
    other = told(dict(reversed(images.items())))
    for key in ("intersection", "union", "images"):
        assert one["boundary"][key] == other["boundary"][key]
    for key in ("objects", "objects_of", "elsewhere", "iou", "images"):
        assert one["object_sizes"][key] == other["object_sizes"][key]


def test_which_labels_the_mean_takes() -> None:
    # Label 1 is right, 2 only predicted, 3 in neither; a third of the background is wrong.
    truth, pred = np.zeros((1, 6), np.uint8), np.zeros((1, 6), np.uint8)
    truth[0, 3:], pred[0, 3:], pred[0, :1] = 1, 1, 2
    means = {a: told({"x": (truth, pred)}, a)["boundary"] for a in ("union", "truth", "all")}
    background = 2 / 3
    assert means["union"]["iou"] == [pytest.approx(background), 1, None, None]
    assert means["union"]["boundary_iou"] == pytest.approx((background + 1 + 0) / 3)
    assert means["truth"]["boundary_iou"] == pytest.approx((background + 1) / 2)
    assert means["all"]["boundary_iou"] == pytest.approx((background + 1) / 4)
    # Boundary F: the labels that the image's truth or prediction holds, whatever the average.
    expected = pytest.approx((2 / 3 + 1 + 0) / 3)
    assert means["all"]["boundary_f"] == means["truth"]["boundary_f"] == expected
    assert means["all"]["f"][1:] == [1, None, None]


def test_what_a_predicted_255_counts_as() -> None:
    truth = np.zeros((1, 6), np.uint8)
    truth[0, 3:] = 1
    pred = np.where(truth == 0, np.uint8(255), truth)
    assert told({"x": (truth, pred)})["boundary"]["iou"][:2] == [0, 1]
    found = told({"x": (truth, pred)}, unlabelled="background")
    assert found["boundary"]["iou"][:2] == [1, 1]


def test_an_image_all_of_void_changes_nothing() -> None:
    images = pairs(30, 2)
    void = np.full((5, 5), 255, np.uint8)
    one, other = told(images), told(images | {"void": (void, np.ones_like(void))})
    assert other["boundary"]["images"].pop("void") == []
    assert other["object_sizes"]["images"].pop("void") == []
    assert one == other


# Through the command line


def report_of(*arguments: object) -> dict[str, Any]:
    result = wsss("eval", *arguments, "--json", "-")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_labels_through_the_command_line(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    labels = {i: blobs(seed, mask.shape) for seed, (i, mask) in enumerate(masks.items())}
    path = write_labels(tmp_path / "pred.h5", tiny_data, labels)
    plain = report_of(path)
    assert "boundary" not in plain
    assert "object_sizes" not in plain
    found = report_of(path, "--boundary", "--sizes", "40,90")
    assert {key: found[key] for key in plain} == plain
    expected = Outlines(N, OutlineOptions(boundary=True, sizes="40,90"))
    for image_id, mask in masks.items():
        expected.add(image_id, mask, labels[image_id])
    told = expected.as_dict("union")
    assert {key: found[key] for key in told} == told
    shown = wsss("eval", path, "--boundary", "--sizes", "1%")
    assert "Boundary IoU %" in shown.stdout
    assert "from 1 %" in shown.stdout


@pytest.mark.parametrize("background", [False, True])
def test_maps_are_scored_at_the_chosen_point(
    tiny_data: Path, tmp_path: Path, background: bool
) -> None:
    cams = random_cams(tiny_data)
    if background:
        for seed, item in enumerate(cams.values()):
            rng = np.random.default_rng(seed)
            item["background"] = rng.random(item["cam"].shape[1:]).astype(np.float16)
    path = write_cam(tmp_path / "cam.h5", tiny_data, cams)
    at = () if background else ("--threshold", 0.3)
    found = report_of(path, *at, "--sizes", 5, "--boundary")
    matrix = np.array(found["scores"]["chosen"]["matrix"])
    counts = found["object_sizes"]
    hits = sum(row[-2] for rows in counts["images"].values() for row in rows)
    assert hits == matrix.diagonal()[1:].sum()
    wrong = sum(row[-1] - row[4] for rows in counts["images"].values() for row in rows)
    made_up = matrix[:, 1:N].sum() - matrix.diagonal()[1:].sum()
    assert wrong + sum(counts["elsewhere"]) == made_up


def test_options_that_say_nothing_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    path = write_labels(tmp_path / "pred.h5", tiny_data, masks_of(tiny_data))
    result = wsss("eval", path, "--boundary-band", 0.1)
    assert result.exit_code == 2
    assert "--boundary-band: needs --boundary" in result.stderr
    result = wsss("eval", path, "--sizes", "9,3")
    assert result.exit_code == 2
    assert "--sizes 9,3: needs areas that rise" in result.stderr
