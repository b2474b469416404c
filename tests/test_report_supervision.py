"""info --supervision: rows of what taught a file, and what a data set holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made import masks_of, random_cams, write_cam, wsss

from wsss_cli.artifacts import DATASET, LABEL, create, open_dataset
from wsss_cli.artifacts.supervision import MASKS, TAGS, UNRECORDED, Taught, of_images
from wsss_cli.errors import WsssError
from wsss_cli.report.supervision import print_supervision, supervision_of


@pytest.fixture
def labels(tiny_data: Path, tmp_path: Path) -> Path:
    path, masks = tmp_path / "masks.h5", masks_of(tiny_data)
    with open_dataset(tiny_data) as data:
        before = of_images(Taught(TAGS, by=("train-cls",)), data.ids[:2], data)
        with create(
            path,
            LABEL,
            classes=data.classes,
            params={},
            inputs=[data],
            ids=list(masks),
            learns=(MASKS, before),
        ) as out:
            for image_id in out.todo:
                out.put(image_id, label=masks[image_id], present=np.zeros(0, np.uint16))
    return path


def test_rows_have_no_lists_and_tell_no_items_apart(labels: Path, tiny_data: Path) -> None:
    facts = supervision_of(labels)
    assert (facts["file"], facts["kind"], facts["not_known"]) == (str(labels), "wsss/label", [])
    tags, masks = facts["supervision"]
    assert (tags["what"], tags["by"], tags["use"]) == (TAGS, ["train-cls"], "learned")
    with open_dataset(tiny_data) as data:
        run = data.run
    assert masks == {
        "what": MASKS,
        "use": "learned",
        "images": 6,
        "at_least": False,
        "data": {"file": "data.h5", "run": run},
        "by": [],
        "of": "",
    }


def test_the_table(labels: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_supervision(supervision_of(labels))
    header, columns, _, masks = capsys.readouterr().out.splitlines()
    assert header == f"{labels}: wsss/label"
    assert columns.split() == ["what", "images", "data", "by", "use"]
    assert masks.split() == ["true", "masks", "6", "data.h5", "learned", "from"]
    row = {"what": TAGS, "use": "learned", "images": 1234, "at_least": True, "by": ["a", "b"]}
    facts = {"file": "x.h5", "kind": "wsss/cam", "not_known": ["y.h5: is gone"]}
    facts["supervision"] = [{**row, "data": {"file": "data.h5", "run": "r"}, "of": "words"}]
    print_supervision(facts)
    *_, line, gap = capsys.readouterr().out.splitlines()
    assert line == "tags: words  at least 1,234  data.h5  a, b  learned from"
    assert gap == "not known: y.h5: is gone"
    print_supervision({"file": "x.pt", "kind": "k", "supervision": [], "not_known": []})
    assert capsys.readouterr().out.splitlines()[1] == "nothing taught it"
    print_supervision(
        supervision_of(write_cam(labels.with_name("cam.h5"), tiny_data, random_cams(tiny_data)))
    )
    _, gap = capsys.readouterr().out.splitlines()
    assert gap == "not known: cam.h5: a program of the user's did not say what it is made of"


def test_a_data_set_says_what_it_holds(
    tmp_path: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.h5"
    splits = {"train": ["a", "b", "c"], "val": ["d"], "none": []}
    with open_dataset(tiny_data) as data:
        image, size = data.field("a/0", "image"), data.field("a/0", "size")
        mask = data.field("a/0", "mask")
    with create(path, DATASET, classes=["x", "y"], params={}, ids="abcd", splits=splits) as out:
        for number, image_id in enumerate("abcd"):
            boxes = {}
            if number == 1:
                boxes = {
                    "true_box": np.array([[0, 0, 2, 2]], np.float32),
                    "true_box_class": np.zeros(1, np.uint16),
                    "true_box_difficult": np.zeros(1, np.uint8),
                }
            out.put(
                image_id,
                image=image,
                size=size,
                tags=np.arange(min(number, 2), dtype=np.uint16),
                mask=mask if number in (0, 3) else None,
                **boxes,
            )
    facts = supervision_of(path)
    assert facts["images"] == {"all": 4, "none": 0, "train": 3, "val": 1}
    assert facts["learn"][TAGS] == {"all": 4, "none": 0, "train": 3, "val": 1}
    assert facts["learn"]["tags, of no class"] == {"all": 1, "none": 0, "train": 1, "val": 0}
    assert facts["score"][MASKS] == {"all": 2, "none": 0, "train": 1, "val": 1}
    assert facts["score"]["true boxes"] == {"all": 1, "none": 0, "train": 1, "val": 0}
    print_supervision(facts)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["all", "none", "train", "val"]
    assert lines[-1] == ["to", "score", "with:", "true", "boxes", "1", "0", "1", "0"]
    assert not any("points" in line for line in map(" ".join, lines))  # which no image has


def test_scores(labels: Path, tiny_data: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    assert wsss("eval", labels, "--json", scores, "-q").exit_code == 0
    facts = supervision_of(scores)
    assert facts["kind"] == "wsss/eval"
    assert [(row["what"], row["images"]) for row in facts["supervision"]] == [(TAGS, 6), (MASKS, 6)]
    text = scores.read_text().replace('"supervision"', '"other"')
    scores.write_text(text)  # as an older program wrote it: what it scored lies beside it
    facts = supervision_of(scores)
    assert [row["what"] for row in facts["supervision"]] == [TAGS, MASKS, UNRECORDED]
    assert facts["not_known"] == ["scores.json: was written before files recorded what taught them"]
    head, record = '{"format": "wsss/eval", "version": 2', '{"file": "", "kind": "", "run": ""}'
    for rest in ("", ', "predictions": 3', f', "predictions": {record}, "supervision": 3'):
        scores.write_text(f"{head}{rest}}}")
        with pytest.raises(WsssError, match=r"scores\.json: scores with parts missing"):
            supervision_of(scores)
