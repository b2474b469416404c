"""eval --boxes and export --format boxes-csv on the command line."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from boxed import BOXES, blobs, write_boxed
from made import masks_of, random_cams, write_cam, write_labels, wsss

from wsss_cli.core.box_share import SHARE


@pytest.fixture
def cam(tmp_path: Path) -> Path:
    data = write_boxed(tmp_path / "data.h5")
    return write_cam(tmp_path / "cam.h5", data, blobs(), stride=1)


def test_tables_and_json_say_the_same(cam: Path) -> None:
    target = cam.with_name("loc.json")
    done = wsss("eval", cam, "--boxes", "annotated", "--json", target)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == f"eval: 5 images -> {target}\n"
    report = json.loads(target.read_text())
    assert (report["format"], report["version"]) == ("wsss/localisation", 1)
    assert len(report["protocol"]["thresholds"]) == 100
    chosen, oracle = report["scores"]["chosen"], report["scores"]["oracle"]
    assert chosen["threshold"] == SHARE == 0.2
    line = re.search(r"^MaxBoxAcc % +(\S+) +(\S+) at (\S+)$", done.stdout, re.M)
    assert line is not None
    assert line[1] == f"{100 * chosen['max_box_acc']:.2f}"
    assert line[2] == f"{100 * oracle['max_box_acc']:.2f}"
    assert float(line[3]) == oracle["threshold"]
    assert re.search(rf"^CorLoc % +{100 * chosen['corloc']:.2f} +-$", done.stdout, re.M)
    assert re.search(r"^chosen +share 0\.2: CAM's published constant$", done.stdout, re.M)
    assert "oracle (chosen with these boxes)" in done.stdout
    shown = wsss("info", target)
    assert shown.exit_code == 0
    assert f"corloc: {chosen['corloc']:.4f}" in shown.stdout


def test_a_report_of_other_images_chooses_the_threshold(cam: Path) -> None:
    first = cam.with_name("first.json")
    options = ("eval", cam, "--boxes", "annotated", "-q", "--json")
    assert wsss(*options, first, "--split", "two").exit_code == 0
    best = json.loads(first.read_text())["scores"]["oracle"]["threshold"]
    done = wsss(*options, "-", "--split", "one", "--threshold-from", first)
    assert done.exit_code == 0, done.stderr
    chosen = json.loads(done.stdout)["scores"]["chosen"]
    assert chosen["threshold"] == best
    assert chosen["how"].startswith("best in first.json, of 3 images")
    shared = wsss(*options, "-", "--threshold-from", first)
    assert shared.exit_code == 3
    assert "with the boxes of 3 images scored here, first 'c'" in shared.stderr


def test_options_that_do_not_go_together(cam: Path, tiny_data_file: Path) -> None:
    for words, said in (
        (("--without-difficult",), "--without-difficult needs --boxes annotated"),
        (("--boxes", "masks", "--without-difficult"), "needs --boxes annotated"),
        (("--boxes", "masks", "--average", "all"), "does not go with --average, --unlabelled"),
        (
            ("--boxes", "masks", "--unlabelled", "background"),
            "does not go with --average, --unlabelled",
        ),
    ):
        done = wsss("eval", cam, *words)
        assert done.exit_code == 2
        assert said in done.stderr
    labels = write_labels(cam.with_name("p.h5"), tiny_data_file, masks_of(tiny_data_file))
    done = wsss("eval", labels, "--data", tiny_data_file, "--boxes", "masks")
    assert done.exit_code == 2
    assert "holds labels" in done.stderr


def test_a_data_set_without_boxes_is_told_of_its_masks(tiny_data: Path) -> None:
    cam = write_cam(tiny_data.with_name("cam.h5"), tiny_data, random_cams(tiny_data))
    done = wsss("eval", cam, "--boxes", "annotated")
    assert done.exit_code == 3
    assert "none of the 6 images to score has true boxes" in done.stderr
    assert "--boxes masks scores by those" in done.stderr
    assert wsss("eval", cam, "--boxes", "masks").exit_code == 0


def test_a_missing_image_is_missed_though_it_has_no_mask(tmp_path: Path) -> None:
    data, cams = write_boxed(tmp_path / "data.h5"), blobs()
    del cams["e"]
    cam = write_cam(tmp_path / "cam.h5", data, cams, stride=1)
    options = ("eval", cam, "--boxes", "annotated", "--split", "two")
    done = wsss(*options)
    assert done.exit_code == 3
    assert "lacks 1 of the 3 images of split two, first 'e'" in done.stderr
    done = wsss(*options, "--allow-missing")
    assert done.exit_code == 0
    assert "lacks 1 images of the split" in done.stderr


def test_boxes_go_out_as_a_table(cam: Path) -> None:
    out = cam.with_name("out")
    done = wsss("export", cam, "--format", "boxes-csv", "-o", out)
    assert (done.exit_code, done.stderr) == (0, f"export: 1 files -> {out}\n")
    rows = list(csv.DictReader((out / "boxes.csv").open()))
    names = ["cat", "dog", "cow"]
    expected = [(i, names[k]) for i, drawn in BOXES.items() for k in sorted({d[0] for d in drawn})]
    assert [(row["image"], row["class"]) for row in rows] == expected
    json_out = wsss("eval", cam, "--boxes", "annotated", "--json", "-", "-q").stdout
    for row, pair in zip(rows, json.loads(json_out)["pairs"], strict=True):
        x0, y0, x1, y1 = (int(row[side]) for side in ("x0", "y0", "x1", "y1"))
        assert 0 <= x0 < x1 <= 60
        assert 0 <= y0 < y1 <= 40
        assert 0.2 < float(row["score"]) <= 1
        overlaps = []
        for k, (a, b, c, d), _ in BOXES[row["image"]]:
            if names[k] == row["class"]:
                both = max(min(c, x1) - max(a, x0), 0) * max(min(d, y1) - max(b, y0), 0)
                overlaps.append(both / ((x1 - x0) * (y1 - y0) + (c - a) * (d - b) - both))
        assert max(overlaps) == pytest.approx(pair[2], abs=1e-6)  # they are the boxes scored
    more = cam.with_name("more")
    words = ("--all-parts", "--threshold", 0.4, "-q")
    assert wsss("export", cam, "--format", "boxes-csv", "-o", more, *words).exit_code == 0
    assert len((more / "boxes.csv").read_text().splitlines()) > len(rows) + 1


def test_options_of_boxes_go_with_boxes_alone(cam: Path) -> None:
    for words in (("--threshold", 0.3), ("--all-parts",)):
        done = wsss("export", cam, "--format", "psa-npy", "-o", cam.with_name("o"), *words)
        assert done.exit_code == 2
        assert "do not go with --format psa-npy" in done.stderr
