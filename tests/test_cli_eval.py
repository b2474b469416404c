"""eval: scores against a plain float64 loop, its protocol, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from made import masks_of, pack_like, random_cams, write_cam, write_labels, wsss

from wsss_cli.core.cam import dequantise
from wsss_cli.core.grid import upsample_grid

N = 4  # labels of the tiny data


def plain_counts(truth: np.ndarray, pred: np.ndarray, n: int = N) -> np.ndarray:
    """[true, predicted] counts, pixel by pixel; the last column is 255."""
    counts = np.zeros((n, n + 1), np.int64)
    for t, p in zip(truth.ravel().tolist(), pred.ravel().tolist(), strict=True):
        if t != 255:
            counts[t, n if p == 255 else p] += 1
    return counts


def plain_miou(counts: np.ndarray, every: bool = False) -> float:
    ious = []
    for label in range(len(counts)):
        union = counts[label].sum() + counts[:, label].sum() - counts[label, label]
        if union > 0:
            ious.append(counts[label, label] / union)
        elif every:
            ious.append(0.0)
    return sum(ious) / len(ious)


def plain_labels(maps: np.ndarray, classes: np.ndarray, threshold: float) -> np.ndarray:
    """The strongest class strictly above the threshold, else background, pixel by pixel."""
    label = np.zeros(maps.shape[1:], np.uint8)
    for y, x in np.ndindex(*label.shape):
        best, score = 0, np.float32(threshold)
        for k, index in enumerate(classes):
            if maps[k, y, x] > score:
                best, score = int(index) + 1, maps[k, y, x]
        label[y, x] = best
    return label


def enlarged(item: dict[str, np.ndarray], size: tuple[int, int], stride: int = 4) -> np.ndarray:
    return upsample_grid(dequantise(item["cam"]), size, stride).numpy()


def report_of(*arguments: object, stdin: str | None = None) -> dict[str, Any]:
    result = wsss("eval", *arguments, "--json", "-", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def noisy_labels(tiny_data: Path, tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    values = np.array([0, 1, 2, 3, 255], np.uint8)
    labels = {}
    for image_id, mask in masks_of(tiny_data).items():
        noise = rng.choice(values, mask.shape)
        labels[image_id] = np.where(rng.random(mask.shape) < 0.6, mask, noise)
    return write_labels(tmp_path / "pred.h5", tiny_data, labels), labels


# Labels


def test_perfect_labels_score_one_and_the_protocol_is_printed(
    tiny_data: Path, tmp_path: Path
) -> None:
    labels = {i: np.where(m == 255, 0, m).astype(np.uint8) for i, m in masks_of(tiny_data).items()}
    result = wsss("eval", write_labels(tmp_path / "p.h5", tiny_data, labels))
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"scored +p\.h5 \(wsss/label, run [0-9a-f]{16}\)", lines[0])
    assert re.fullmatch(r"data +data\.h5 \(run [0-9a-f]{16}\)", lines[1])
    assert lines[2] == "images      6 counted (all of p.h5)"
    for protocol in ("the masks' own", "255 in the mask", "(union)", "(error)"):
        assert protocol in result.stdout
    assert re.search(r"^mIoU % +100\.00$", result.stdout, re.M)
    assert re.search(r"^blue +100\.00 +100\.00 +100\.00 +0\.00 +0\.00$", result.stdout, re.M)


def test_labels_equal_a_plain_count(
    tiny_data: Path, noisy_labels: tuple[Path, dict[str, np.ndarray]]
) -> None:
    path, labels = noisy_labels
    masks = masks_of(tiny_data)
    counts = sum(plain_counts(masks[i], labels[i]) for i in labels)
    report = report_of(path)
    found = report["scores"]["labels"]
    assert found["matrix"] == counts.tolist()
    assert all(type(value) is int for row in found["matrix"] for value in row)
    assert sum(map(sum, found["matrix"])) == sum(int((m != 255).sum()) for m in masks.values())
    assert report["miou"] == found["miou"] == pytest.approx(plain_miou(counts), abs=1e-12)
    hit, true, said = np.diag(counts), counts.sum(1), counts[:, :N].sum(0)
    union = true + said - hit
    assert found["iou"] == pytest.approx(hit / union)
    assert found["over"] == pytest.approx((said - hit) / union)
    assert found["under"] == pytest.approx((true - hit) / union)
    assert found["pixel_accuracy"] == pytest.approx(hit.sum() / true.sum())
    assert found["mean_accuracy"] == pytest.approx((hit / true).mean())
    assert found["fw_iou"] == pytest.approx((true / true.sum() * hit / union).sum())
    assert found["m_fp"] == pytest.approx(((said - hit) / hit)[1:].mean())
    assert found["m_fn"] == pytest.approx(((true - hit) / hit)[1:].mean())
    assert found["background_precision"] == pytest.approx(hit[0] / said[0])
    assert found["foreground_precision"] == pytest.approx(hit[1:].sum() / said[1:].sum())
    assert found["coverage"] == pytest.approx(said.sum() / true.sum())
    assert report["labels"] == ["background", "red", "green", "blue"]
    assert report["ids"] == [f"a/{index}" for index in range(6)]


def test_a_predicted_255_may_count_as_background(
    tiny_data: Path, noisy_labels: tuple[Path, dict[str, np.ndarray]]
) -> None:
    path, labels = noisy_labels
    masks = masks_of(tiny_data)
    counts = sum(
        plain_counts(masks[i], np.where(labels[i] == 255, 0, labels[i]).astype(np.uint8))
        for i in labels
    )
    report = report_of(path, "--unlabelled", "background")
    assert report["scores"]["labels"]["matrix"] == counts.tolist()
    assert report["protocol"]["unlabelled"] == "background"


def test_both_averages_where_a_label_occurs_nowhere(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    labels = {i: np.where(masks[i] == 1, 1, 0).astype(np.uint8) for i in ("a/0", "a/5")}
    path = write_labels(tmp_path / "p.h5", tiny_data, labels)
    assert report_of(path)["miou"] == 1
    assert report_of(path, "--average", "all")["miou"] == 0.5  # two of four labels
    found = report_of(path)["scores"]["labels"]
    assert found["iou"][2:] == [None, None]
    result = wsss("eval", path)
    assert re.search(r"^green +- +- +- +- +-$", result.stdout, re.M)
    said = r"^not scored +no pixel of the truth holds 2 labels: green, blue; one that is predicted"
    assert re.search(said, result.stdout, re.M)


def test_a_label_that_the_truth_lacks_is_no_score(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    labels = {"a/0": np.where(masks["a/0"] == 1, 1, 0).astype(np.uint8)}
    labels["a/0"][0] = 3  # blue, which the mask of a/0 lacks
    path = write_labels(tmp_path / "p.h5", tiny_data, labels)
    found = report_of(path)
    iou = found["scores"]["labels"]["iou"]
    assert iou[2:] == [None, None]
    assert found["labels_without_truth"] == ["green", "blue"]
    assert found["miou"] == pytest.approx((iou[0] + iou[1] + 0) / 3)
    assert report_of(path, "--average", "truth")["miou"] == pytest.approx((iou[0] + iou[1]) / 2)
    assert re.search(r"^blue +- +0\.00 +- ", wsss("eval", path).stdout, re.M)


def test_a_truth_without_a_class_is_refused(tmp_path: Path) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    masks = {"a": np.where(np.eye(4, 5), 255, 0).astype(np.uint8)}
    data = pack_like(tmp_path / "d.h5", {"a": image}, masks, {"a": [0]}, ["cat"])
    path = write_labels(tmp_path / "p.h5", data, {"a": np.ones((4, 5), np.uint8)})
    for words in ((), ("--json", "-"), ("--average", "all")):
        refused = wsss("eval", path, *words)
        assert (refused.exit_code, refused.stdout) == (3, "")
        assert "d.h5: no pixel of the truth holds a class" in refused.stderr


def test_parts_by_ids_add_up(
    tiny_data: Path, noisy_labels: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    path, _ = noisy_labels
    whole = np.array(report_of(path)["scores"]["labels"]["matrix"])
    first = report_of(path, "--ids", "-", stdin="a/5\na/1\n")
    (tmp_path / "ids.txt").write_text("a/0\na/2\na/3\na/4\n")
    second = report_of(path, "--ids", tmp_path / "ids.txt")
    parts = [np.array(part["scores"]["labels"]["matrix"]) for part in (first, second)]
    assert (parts[0] + parts[1] == whole).all()
    assert first["protocol"]["images_counted"] == 2
    assert first["ids"] == ["a/1", "a/5"]


def test_only_background_is_warned_of_even_when_quiet(tiny_data: Path, tmp_path: Path) -> None:
    labels = {i: np.zeros_like(m) for i, m in masks_of(tiny_data).items()}
    labels["a/0"][:] = 255
    path = write_labels(tmp_path / "p.h5", tiny_data, labels)
    result = wsss("eval", path, "-q")
    assert result.exit_code == 0
    assert result.stderr == (
        "wsss: warning: p.h5: only background is predicted, in every one of 6 images\n"
    )
    assert re.search(r"^images without a class +6$", result.stdout, re.M)


# Which images count


def test_a_split_and_its_images_without_prediction(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(tmp_path / "p.h5", tiny_data, {i: masks[i] for i in ("a/0", "a/1", "a/2")})
    assert report_of(path)["protocol"]["images_counted"] == 3
    refused = wsss("eval", path, "--split", "train")
    assert refused.exit_code == 3
    assert refused.stdout == ""
    assert "p.h5: lacks 2 of the 4 images of split train, first 'a/3'" in refused.stderr
    part = wsss("eval", path, "--split", "train", "--allow-missing")
    assert part.exit_code == 0
    assert "2 counted, 2 missing (split train)" in part.stdout
    assert "lacks 2 images of the split: this is the score of a part" in part.stderr
    named = report_of(path, "--split", "train", "--ids", "-", stdin="a/1\n")
    assert named["ids"] == ["a/1"]
    other = wsss("eval", path, "--split", "train", "--ids", "-", stdin="a/2\n")
    assert other.exit_code == 3
    assert "1 of 1 ids are not in" in other.stderr
    assert wsss("eval", path, "--split", "test").exit_code == 3


def test_images_without_masks_are_counted_and_none_with_is_refused(tmp_path: Path) -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    mask = np.ones((5, 7), np.uint8)
    data = pack_like(
        tmp_path / "data.h5",
        {"x": image, "y": image, "z": image},
        {"x": mask},
        {"x": [0], "y": [0], "z": [0]},
        ["one"],
        {"some": ["x", "y"], "none": ["y"]},
    )
    path = write_labels(tmp_path / "p.h5", data, {"x": mask, "y": mask})
    result = wsss("eval", path)
    assert "1 counted, 1 without a mask left out (all of p.h5)" in result.stdout
    refused = wsss("eval", path, "--split", "none")
    assert refused.exit_code == 3
    assert "none of the 1 images to score has a mask" in refused.stderr
    # z lacks prediction and mask: it would not have counted anyway
    with_z = pack_like(
        tmp_path / "more.h5", {"x": image, "z": image}, {"x": mask}, {}, ["one"], {"s": ["x", "z"]}
    )
    assert report_of(path, "--data", with_z, "--split", "s")["protocol"]["images_missing"] == 0


def test_a_shard_alone_is_no_score(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(tmp_path / "p.h5", tiny_data, masks, shard="1/2")
    refused = wsss("eval", path)
    assert refused.exit_code == 3
    assert "p.h5: only shard 1/2 of a run" in refused.stderr
    assert "`wsss merge`" in refused.stderr
    assert report_of(path, "--allow-missing")["ids"] == ["a/0", "a/2", "a/4"]
    assert report_of(path, "--ids", "-", stdin="a/2\n")["ids"] == ["a/2"]


# Maps


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_a_sweep_equals_a_loop_over_thresholds(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(3)
    size = (13, 18)  # divisible by the stride in neither direction
    image = np.zeros((*size, 3), np.uint8)
    masks = {i: rng.choice(np.array([0, 1, 2, 255], np.uint8), size) for i in "abc"}
    tags = {"a": [0], "b": [0, 1], "c": []}
    data = pack_like(tmp_path / "data.h5", dict.fromkeys("abc", image), masks, tags, ["x", "y"])
    cams = random_cams(data, dtype=dtype)
    path = write_cam(tmp_path / "cam.h5", data, cams)
    report = report_of(path, "--thresholds", "0:1:0.2", "--threshold", "0.33")
    curve = []
    for threshold in (0.0, 0.2, 0.4, 0.6, 0.8, 0.33):
        counts = np.zeros((3, 4), np.int64)
        for i, item in cams.items():
            label = plain_labels(enlarged(item, size), item["classes"], threshold)
            counts += plain_counts(masks[i], label, 3)
        curve.append((plain_miou(counts), counts))
    chosen = report["scores"]["chosen"]
    assert (chosen["threshold"], chosen["how"]) == (0.33, "given by --threshold")
    assert chosen["matrix"] == curve[-1][1].tolist()
    assert report["miou"] == chosen["miou"]
    expected = [miou for miou, _ in curve[:-1]]
    assert [point["miou"] for point in report["sweep"]] == pytest.approx(expected)
    assert [point["threshold"] for point in report["sweep"]] == [0.0, 0.2, 0.4, 0.6, 0.8]
    best = int(np.argmax(expected))
    oracle = report["scores"]["oracle"]
    assert oracle["matrix"] == curve[best][1].tolist()
    assert oracle["threshold"] == pytest.approx(0.2 * best)
    assert oracle["how"].startswith("oracle (chosen with these masks): best of 5")


def test_maps_print_the_oracle_beside_the_published_threshold(
    tiny_data: Path, tmp_path: Path
) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    result = wsss("eval", path, "--split", "train")
    assert result.exit_code == 0
    assert re.search(
        r"^chosen +threshold 0\.15: IRN's published constant for maps$", result.stdout, re.M
    )
    assert re.search(
        r"^oracle +threshold 0\.\d+: oracle \(chosen with these masks\): best of 60, 0 to 0\.59$",
        result.stdout,
        re.M,
    )
    assert re.search(r"^ +chosen +oracle$", result.stdout, re.M)
    assert re.search(r"^label +IoU % chosen +IoU % oracle$", result.stdout, re.M)
    report = report_of(path, "--split", "train")
    assert report["protocol"]["images_counted"] == 4
    assert report["scores"]["oracle"]["miou"] >= report["miou"]


def test_walked_maps_have_their_own_published_threshold(tiny_data: Path, tmp_path: Path) -> None:
    weights = SimpleNamespace(path=tmp_path / "aff.pt", kind="wsss/aff", run="0" * 16, data=None)
    path = write_cam(tmp_path / "walk.h5", tiny_data, random_cams(tiny_data), inputs=[weights])
    chosen = report_of(path)["scores"]["chosen"]
    assert (chosen["threshold"], chosen["how"]) == (
        0.25,
        "IRN's published constant for walked maps",
    )


def test_a_threshold_may_come_from_another_split(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    best = report_of(path, "--split", "val")["scores"]["oracle"]["threshold"]
    train = report_of(path, "--split", "train", "--threshold", best)["scores"]["chosen"]
    calibrated = report_of(path, "--split", "train", "--calibrate-split", "val")
    chosen = calibrated["scores"]["chosen"]
    assert chosen["how"] == "best on split val, 2 images not scored here"
    assert (chosen["threshold"], chosen["matrix"]) == (best, train["matrix"])

    val = tmp_path / "val.json"
    assert wsss("eval", path, "--split", "val", "--json", val).exit_code == 0
    chosen = report_of(path, "--split", "train", "--threshold-from", val)["scores"]["chosen"]
    assert chosen["how"] == "best in val.json, of 2 images none of which is scored here"
    assert (chosen["threshold"], chosen["matrix"]) == (best, train["matrix"])

    for option in (["--calibrate-split", "val"], ["--threshold-from", val]):
        refused = wsss("eval", path, *option)  # all images, those of val among them
        assert refused.exit_code == 3
        assert "with the masks of 2 images scored here, first 'a/2'" in refused.stderr


def test_the_maps_choose_a_threshold_whatever_is_scored(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    whole = report_of(path, "--threshold", "auto")["scores"]["chosen"]
    assert whole["how"] == "chosen by the file's maps, without masks"
    for split in ("train", "val"):
        report = report_of(path, "--split", split, "--threshold", "auto")
        chosen = report["scores"]["chosen"]
        assert chosen["threshold"] == whole["threshold"]
        given = report_of(path, "--split", split, "--threshold", whole["threshold"])
        assert chosen["matrix"] == given["scores"]["chosen"]["matrix"]
        assert "left_out" not in report


def test_a_few_masks_choose_and_are_not_scored(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    few, rest = tmp_path / "few.txt", tmp_path / "rest.txt"
    few.write_text("a/1\na/4\n")
    report = report_of(path, "--calibrate-ids", few)
    assert report["left_out"] == ["a/1", "a/4"]
    assert report["ids"] == ["a/0", "a/2", "a/3", "a/5"]
    counted = {key: report["protocol"][f"images_{key}"] for key in ("counted", "left_out")}
    assert counted == {"counted": 4, "left_out": 2}
    best = report_of(path, "--ids", few)["scores"]["oracle"]["threshold"]
    rest.write_text("\n".join(report["ids"]))
    alone = report_of(path, "--ids", rest, "--threshold", best)["scores"]
    for name in ("chosen", "oracle"):
        assert report["scores"][name]["matrix"] == alone[name]["matrix"]
        assert report["scores"][name]["threshold"] == alone[name]["threshold"]

    shown = wsss("eval", path, "--calibrate", "2", "--seed", "5")
    assert shown.exit_code == 0
    assert re.search(
        r"^images +4 counted, 2 that chose the threshold left out \(all of", shown.stdout, re.M
    )
    said = r"^chosen +threshold 0\.?\d*: best on 2 images drawn \(seed 5\), which are not scored$"
    assert re.search(said, shown.stdout, re.M)
    drawn = report_of(path, "--calibrate", "2", "--seed", "5")
    assert (
        drawn["scores"]["chosen"]["how"] == "best on 2 images drawn (seed 5), which are not scored"
    )
    assert sorted([*drawn["left_out"], *drawn["ids"]]) == [f"a/{number}" for number in range(6)]

    for options, said in {
        ("--calibrate", "6"): "6 of the images to score have a mask; --calibrate 6 leaves none",
        ("--split", "val", "--calibrate-ids", few): "2 of 2 ids are not in the images to score",
    }.items():
        refused = wsss("eval", path, *options)
        assert refused.exit_code == 3
        assert said in refused.stderr


def test_a_json_without_a_best_threshold_is_refused(
    tiny_data: Path, noisy_labels: tuple[Path, Any], tmp_path: Path
) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    of_labels = tmp_path / "labels.json"
    assert wsss("eval", noisy_labels[0], "--json", of_labels).exit_code == 0
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("no")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for name in ("labels.json", "list.json", "text.json", "bytes.json", "missing.json"):
        result = wsss("eval", path, "--threshold-from", tmp_path / name)
        assert result.exit_code == 3, name
        assert result.stderr.startswith(f"wsss: error: {tmp_path / name}: ")
        assert len(result.stderr.splitlines()) <= 2


def test_explicit_background_scores_are_used(tiny_data: Path, tmp_path: Path) -> None:
    masks, cams = masks_of(tiny_data), random_cams(tiny_data)
    rng = np.random.default_rng(5)
    counts = np.zeros((N, N + 1), np.int64)
    for image_id, item in cams.items():
        item["background"] = (rng.random((8, 12)) * 0.6).astype(np.float16)
        maps = enlarged(item, (32, 48))
        background = enlarged({"cam": item["background"][None]}, (32, 48))[0]
        label = np.zeros((32, 48), np.uint8)
        for y, x in np.ndindex(32, 48):
            label[y, x] = plain_labels(
                maps[:, y : y + 1, x : x + 1], item["classes"], background[y, x]
            )[0, 0]
        counts += plain_counts(masks[image_id], label)
    path = write_cam(tmp_path / "cam.h5", tiny_data, cams)
    report = report_of(path)
    assert set(report["scores"]) == {"chosen", "oracle"}
    assert report["scores"]["chosen"]["matrix"] == counts.tolist()
    assert report["scores"]["chosen"]["threshold"] is None
    both = report_of(path, "--threshold", "0.2")
    assert both["scores"]["background"]["matrix"] == counts.tolist()
    assert both["miou"] == both["scores"]["chosen"]["miou"]

    del cams["a/1"]["background"]
    del cams["a/5"]["background"]  # has no classes: background everywhere, with or without
    refused = wsss("eval", write_cam(tmp_path / "some.h5", tiny_data, cams))
    assert refused.exit_code == 3
    assert "image 'a/1': has no background scores, other images have" in refused.stderr


def test_maps_below_the_threshold_are_warned_of(tiny_data: Path, tmp_path: Path) -> None:
    cams = random_cams(tiny_data)
    for item in cams.values():
        item["cam"] = (item["cam"] * 0.1).astype(np.float16)
    path = write_cam(tmp_path / "cam.h5", tiny_data, cams)
    result = wsss("eval", path)
    assert result.exit_code == 0
    assert "cam.h5 (chosen): only background is predicted, in every one of 6" in result.stderr
    assert "(oracle)" not in result.stderr
    # a/5 has no class, so it is without one at any threshold
    assert report_of(path)["scores"]["oracle"]["images_without_class"] == 1


# JSON


def test_json_to_stdout_is_alone_there(tiny_data: Path, tmp_path: Path) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    result = wsss("eval", path, "--json", "-")
    assert result.exit_code == 0
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert (report["format"], report["version"]) == ("wsss/eval", 2)
    assert report["predictions"]["kind"] == "wsss/cam"
    protocol = report["protocol"]
    assert {"void", "average_rule", "resolution", "ties"} <= set(protocol)
    assert protocol["thresholds"] == [round(0.01 * index, 2) for index in range(60)]


def test_json_to_a_file_is_whole_and_not_replaced_unasked(
    tiny_data: Path, noisy_labels: tuple[Path, Any], tmp_path: Path
) -> None:
    target = tmp_path / "eval.json"
    first = wsss("eval", noisy_labels[0], "--json", target)
    assert first.exit_code == 0
    assert "mIoU %" in first.stdout
    assert first.stderr == f"eval: 6 images -> {target}\n"
    text = target.read_text()
    again = wsss("eval", noisy_labels[0], "--json", target)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert target.read_text() == text
    assert wsss("eval", noisy_labels[0], "--json", target, "--force", "-q").exit_code == 0
    assert target.read_text() == text
    assert wsss("eval", noisy_labels[0], "--json", tmp_path / "no" / "x.json").exit_code == 3
    assert not list(tmp_path.glob(".*.tmp"))


# Refusals


@pytest.mark.parametrize(
    "options",
    [
        ["--thresholds", "0:1"],
        ["--thresholds", "a:b:c"],
        ["--thresholds", "0:0.6:0"],
        ["--thresholds", "0.5:0.1:0.1"],
        ["--thresholds", "0:2:0.5"],
        ["--thresholds", "0:1:0.0000001"],
        ["--thresholds", "0,nan"],
        ["--thresholds", "-0.1,0.2"],
        ["--thresholds", "1e999999999:2:1"],
        ["--thresholds", ""],
        ["--threshold", "1.5"],
        ["--threshold", "0.1", "--calibrate-split", "val"],
        ["--threshold", "automatic"],
        ["--threshold", "auto", "--calibrate", "2"],
        ["--calibrate", "0"],
        ["--average", "mean"],
    ],
)
def test_options_that_make_no_sense_are_refused(
    tiny_data: Path, tmp_path: Path, options: list[str]
) -> None:
    path = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    result = wsss("eval", path, *options)
    assert result.exit_code == 2
    assert result.stdout == ""


def test_labels_have_no_threshold(noisy_labels: tuple[Path, Any]) -> None:
    result = wsss("eval", noisy_labels[0], "--threshold", "0.2")
    assert result.exit_code == 2
    assert "holds labels, which have no threshold" in result.stderr


def test_items_that_do_not_fit_are_named(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    small = write_labels(tmp_path / "small.h5", tiny_data, {**masks, "a/3": masks["a/3"][1:]})
    high = write_labels(
        tmp_path / "high.h5", tiny_data, {**masks, "a/3": np.full_like(masks["a/3"], 7)}
    )
    cams = random_cams(tiny_data)
    coarse = write_cam(tmp_path / "coarse.h5", tiny_data, cams, stride=8)
    cams["a/3"]["cam"][0, 2, 2] = np.nan
    nan = write_cam(tmp_path / "nan.h5", tiny_data, cams)
    cams["a/3"] = {"cam": np.zeros((1, 8, 12), np.float16), "classes": np.array([9], np.uint16)}
    strange = write_cam(tmp_path / "strange.h5", tiny_data, cams)
    none = write_cam(tmp_path / "none.h5", tiny_data, random_cams(tiny_data), stride=None)
    for path, words in {
        high: "image 'a/3': prediction holds label 7",
        coarse: "damaged ('a/0': cam is not on the image's grid of stride 8)",
        nan: "a/3: cam has scores outside 0..1, or NaN",
        strange: "damaged ('a/3': classes do not rise, or are of no class)",
        none: "does not record its stride",
    }.items():
        result = wsss("eval", path)
        assert result.exit_code == 3
        assert f"wsss: error: {path}: {words}" in result.stderr
        assert result.stdout == ""
    result = wsss("eval", small)
    assert (result.exit_code, result.stdout) == (3, "")
    said = f"wsss: error: a/3: is 32x48 in {tiny_data}, but 31x48 in {small}\n"
    assert result.stderr.startswith(said)


def test_wrong_inputs_are_one_line(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    image = np.zeros((32, 48, 3), np.uint8)
    other = pack_like(tmp_path / "o.h5", {"a/0": image}, {}, {}, ["red", "green", "grue"])
    fewer = pack_like(tmp_path / "f.h5", {"a/0": image}, {}, {}, ["red", "green", "blue"])
    path = write_labels(tmp_path / "p.h5", tiny_data, masks)
    for arguments, words in {
        (tiny_data,): "holds wsss/dataset, not wsss/label or wsss/cam",
        (tmp_path / "missing.h5",): "no such file",
        (path, "--data", path): "holds wsss/label, not wsss/dataset",
        (path, "--data", other): "class names differ (first 'grue' against 'blue')",
        (path, "--data", fewer): "5 of 6 images are not in",
        (path, "--ids", tmp_path / "missing.txt"): "cannot be read as a list of ids",
    }.items():
        result = wsss("eval", *arguments)
        assert result.exit_code == 3
        assert words in result.stderr
        assert len(result.stderr.splitlines()) <= 2


def test_scoring_labels_does_not_load_torch() -> None:
    assert torch.__version__  # loaded here; so another process is asked
    import subprocess
    import sys

    code = (
        "import sys; from wsss_cli.commands import eval; import wsss_cli.scoring.protocol; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Images one by one, and drawn anew


def test_each_images_counts_stand_in_the_json(
    tiny_data: Path, noisy_labels: tuple[Path, dict[str, np.ndarray]]
) -> None:
    path, labels = noisy_labels
    masks = masks_of(tiny_data)
    report = report_of(path)
    assert [*report["per_image"]] == ["labels"]
    for image_id, flat in zip(report["ids"], report["per_image"]["labels"], strict=True):
        found = np.zeros(N * (N + 1), int)
        found[flat[::2]] = flat[1::2]
        counts = plain_counts(masks[image_id], labels[image_id])
        assert (found.reshape(N, N + 1) == counts).all(), image_id


def test_maps_keep_counts_at_each_point(tiny_data: Path, tmp_path: Path) -> None:
    cams = random_cams(tiny_data)
    path = write_cam(tmp_path / "c.h5", tiny_data, cams)
    report = report_of(path, "--threshold", "0.3")
    masks = masks_of(tiny_data)
    assert [*report["per_image"]] == [*report["scores"]] == ["chosen", "oracle"]
    for name, lists in report["per_image"].items():
        threshold = report["scores"][name]["threshold"]
        for image_id, flat in zip(report["ids"], lists, strict=True):
            item, mask = cams[image_id], masks[image_id]
            label = plain_labels(enlarged(item, mask.shape), item["classes"], threshold)
            found = np.zeros(N * (N + 1), int)
            found[flat[::2]] = flat[1::2]
            assert (found.reshape(N, N + 1) == plain_counts(mask, label)).all()


def test_intervals_and_a_table_of_images(
    tiny_data: Path, noisy_labels: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    path, _ = noisy_labels
    table, scores = tmp_path / "t.csv", tmp_path / "s.json"
    words = ("eval", path, "--bootstrap", 200, "--per-image", table, "--json", scores)
    result = wsss(*words)
    assert result.exit_code == 0, result.stderr
    report = json.loads(scores.read_text())
    low, high = report["scores"]["labels"]["miou_interval"]
    assert low <= high
    assert f"[{100 * low:.2f}, {100 * high:.2f}]" in result.stdout
    assert re.search(
        r"^intervals   95 %, Bayesian bootstrap: 200 random weightings of 6 images",
        result.stdout,
        re.M,
    )
    assert len(table.read_text().splitlines()) == 7
    assert table.read_text().startswith("image,pixels,mIoU,pixel accuracy,IoU background,IoU red")
    refused = wsss(*words)  # there is a table already
    assert refused.exit_code == 2
    again = wsss(*words, "--force")
    assert (again.stdout, json.loads(scores.read_text())) == (result.stdout, report)
    listed = wsss("info", scores).stdout
    assert re.search(r"95 % interval", listed)
    assert f"[{100 * low:.2f}, {100 * high:.2f}]" in listed
    refused = wsss("eval", path, "--clusters", table)
    assert (refused.exit_code, refused.stdout) == (2, "")
    both = wsss("eval", path, "--per-image", scores, "--json", scores, "--force")
    assert both.exit_code == 2


def test_stdin_is_one_list(tiny_data: Path, tmp_path: Path) -> None:
    cam = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    result = wsss("eval", cam, "--ids", "-", "--calibrate-ids", "-", stdin="a/1\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--ids - and --calibrate-ids -: stdin is one list" in result.stderr


def test_outputs_are_two_files(tiny_data: Path, tmp_path: Path) -> None:
    cam = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    other = tmp_path / ".." / tmp_path.name / "x"
    result = wsss("eval", cam, "--json", tmp_path / "x", "--per-image", other)
    assert result.exit_code == 2
    assert "named by" in result.stderr
    assert not other.exists()


def test_images_that_chose_the_threshold_point_at_nothing(tiny_data: Path, tmp_path: Path) -> None:
    cam = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    result = wsss("eval", cam, "--pointing", "--calibrate", 2, "--json", "-", "-q")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    pointing = set(report["pointing"]["per_map"]["id"])
    assert pointing
    assert not pointing & set(report["left_out"])
    assert pointing <= set(report["ids"])
