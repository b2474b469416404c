"""Which scores may be compared, and what is said of those that may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reports import predictions, report_on, write_report_on

from wsss_cli.errors import WsssError
from wsss_cli.scoring.comparable import Scored, check_pairs, read_scored


def changed(path: Path, keys: str, value: Any) -> Path:
    """The same report with one value replaced."""
    report = json.loads(path.read_text())
    *outer, last = keys.split(".")
    inner = report
    for key in outer:
        inner = inner[key]
    inner[last] = value
    path.write_text(json.dumps(report))
    return path


def scored(folder: Path, name: str = "a.json", seed: int = 1, **options: Any) -> Scored:
    path = write_report_on(folder / name, predictions(8, seed), run=name, **options)
    return read_scored(path, "chosen")


def test_what_is_read(tmp_path: Path) -> None:
    found = scored(tmp_path)
    assert (found.point, found.how, found.data_run) == ("labels", "as in the file", "of data")
    assert found.ids == [f"i{number:03}" for number in range(8)]
    maps = write_report_on(tmp_path / "m.json", predictions(8, 1), point="oracle")
    changed(maps, "scores.oracle.threshold", 0.25)
    assert read_scored(maps, "oracle").how == "threshold 0.25: as in the file"
    with pytest.raises(WsssError, match=r"holds no operating point chosen, but oracle"):
        read_scored(maps, "chosen")


def test_scores_of_an_older_version_are_to_be_made_again(tmp_path: Path) -> None:
    path = changed(write_report_on(tmp_path / "a.json", predictions(2, 1)), "version", 1)
    with pytest.raises(WsssError, match=r"a\.json: holds no counts of each image") as caught:
        read_scored(path, "chosen")
    assert caught.value.hint == "run `wsss eval --json` again"


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("per_image", {}),
        ("per_image.labels", [[0, 1]]),  # fewer than the ids
        ("per_image.labels", None),
        ("per_image.labels", [[0, 1], [0, 1]]),  # not the sum that was scored
        ("per_image.labels", [[0, 1], [0, 1.5]]),
        ("ids", ["i001", "i000"]),
        ("ids", ["i000", "i000"]),
        ("ids", ["i000", 7]),
        ("ids", "ab"),
        ("labels", ["background", "cat"]),
        ("labels", [1, 2, 3]),
        ("labels", []),
        ("labels", ["x"] * 256),
        ("protocol", []),
        ("protocol.average", "most"),
        ("predictions", {"kind": "wsss/label"}),
        ("predictions.run", 12),
        ("predictions.kind", "wsss/cue"),
        ("scores.labels.threshold", 10**400),
        ("data", None),
        ("scores", []),
        ("scores.labels.matrix", "many"),
        ("scores.labels.threshold", "few"),
    ],
)
def test_damaged_scores_are_refused(tmp_path: Path, keys: str, value: Any) -> None:
    path = changed(write_report_on(tmp_path / "a.json", predictions(2, 1)), keys, value)
    with pytest.raises(WsssError, match=r"a\.json: scores with parts missing or changed"):
        read_scored(path, "chosen")


def test_those_that_differ_in_what_is_scored_alone_are_compared(tmp_path: Path) -> None:
    one = scored(tmp_path, split="val", images_counted=8, images_left_out=0)
    own = {"split": None, "images_counted": 9, "images_left_out": 5, "thresholds": [0.1]}
    other = scored(tmp_path, "b.json", 2, **own)
    check_pairs([one], [other])
    maps = scored(tmp_path, "m.json", 3, point="chosen", resolution="enlarged", ties="above")
    check_pairs([one], [maps])
    check_pairs([one], [one])  # the same against itself


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        ("labels", ["background", "cat", "cow"], "other labels than {a} (first 'cow' against"),
        ("data.run", "another", "scored with another data set than {a} (run another against"),
        ("protocol.average", "all", "another protocol than {a} (average 'all' against 'union')"),
        ("protocol.void", "counted", "another protocol than {a} (void 'counted' against"),
        ("protocol.resolution", "half", "another protocol than {a} (resolution 'half' against"),
        ("protocol.unlabelled", "background", "(unlabelled 'background' against 'error')"),
        ("ids", [f"i{n:03}" for n in (0, 1, 2, 3, 4, 5, 6, 9)], "1 more, 1 fewer, first 'i007'"),
    ],
)
def test_those_that_were_scored_otherwise_are_not(
    tmp_path: Path, keys: str, value: Any, said: str
) -> None:
    one = scored(tmp_path, unlabelled="error")
    path = tmp_path / "b.json"
    write_report_on(path, predictions(8, 2), run="2", unlabelled="error")
    other = read_scored(changed(path, keys, value), "chosen")
    with pytest.raises(WsssError) as caught:
        check_pairs([one], [other])
    assert str(caught.value).startswith(f"{other.path}: ")
    assert said.format(a=one.path) in str(caught.value)
    assert caught.value.exit_code == 3


def test_masks_are_held_against_each_other_image_by_image(tmp_path: Path) -> None:
    one = scored(tmp_path)
    matrices = predictions(8, 2)
    matrices["i002"][1, 1] += 1
    matrices["i005"][1, 1] -= 1  # in sum the same
    path = write_report_on(tmp_path / "b.json", matrices, run="2")
    said = r"the masks of 2 images hold other pixels than those of .*a\.json, first 'i002'"
    with pytest.raises(WsssError, match=said):
        check_pairs([one], [read_scored(path, "chosen")])


def test_oracles_of_other_thresholds_are_not_compared(tmp_path: Path) -> None:
    found = []
    for name, thresholds in (("a", [0.1, 0.2]), ("b", [0.1])):
        report = report_on(predictions(8, 1), name, "oracle", thresholds=thresholds)
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
        found.append(read_scored(tmp_path / f"{name}.json", "oracle"))
    with pytest.raises(WsssError, match=r"another protocol than .* \(thresholds \[0\.1\] against"):
        check_pairs(found[:1], found[1:])


def test_a_training_counts_once(tmp_path: Path) -> None:
    one, other = scored(tmp_path), scored(tmp_path, "b.json", 2)
    with pytest.raises(WsssError, match="each training counts once"):
        check_pairs([one, other], [scored(tmp_path, "c.json", 3)] * 2)
