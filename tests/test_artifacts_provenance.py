"""Where files come from: run digests and records of inputs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from artifacts_made import IDS, write

from wsss_cli.artifacts import DATASET, Shard, create, open_artifact
from wsss_cli.artifacts.provenance import check_records, reading_of
from wsss_cli.core.reading import AS_IT_IS, Reading


def test_the_run_digest_follows_what_decides_the_numbers(tmp_path: Path) -> None:
    def run(**options: object) -> str:
        with open_artifact(write(tmp_path / "l.h5", force=True, **options)) as found:
            return found.run

    base = run()
    assert run() == base
    assert run(shard=Shard(1, 3)) == base
    assert run(params={"low": 0.3}) != base
    assert run(seed=1) != base
    assert run(classes=["x", "z"]) != base
    assert run(ids=IDS[:3]) != base


def test_a_data_sets_run_follows_its_contents(tmp_path: Path) -> None:
    def run(pixel: int, splits: dict[str, list[str]]) -> str:
        path = tmp_path / "d.h5"
        with create(
            path, DATASET, classes=["x"], params={}, ids=["a"], splits=splits, force=True
        ) as out:
            out.put(
                "a",
                image=np.array([pixel], np.uint8),
                tags=np.zeros(0, np.uint16),
                size=np.array([1, 1], np.int32),
            )
        with open_artifact(path) as found:
            return found.run

    assert run(1, {"t": ["a"]}) == run(1, {"t": ["a"]})
    assert run(1, {"t": ["a"]}) != run(2, {"t": ["a"]})
    assert run(1, {"t": ["a"]}) != run(1, {"v": ["a"]})


def test_file_names_that_are_no_utf8_are_recorded(tmp_path: Path) -> None:
    source = write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.h5")))
    with open_artifact(source) as one:
        write(tmp_path / "l.h5", inputs=[one])
    with open_artifact(tmp_path / "l.h5") as found:
        assert found.inputs[0]["file"] == source.name


def test_how_pixels_are_read_goes_down_the_chain(tmp_path: Path) -> None:
    said = {"range": [0, 4095], "alpha": "white"}
    item = {"image": np.zeros(1, np.uint8), "tags": np.zeros(0, np.uint16)}
    with create(tmp_path / "d.h5", DATASET, classes=["x"], params=said, ids=["a"]) as out:
        out.put("a", **item, size=np.array([1, 1], np.int32))
    with open_artifact(tmp_path / "d.h5") as data:
        write(tmp_path / "one.h5", inputs=[data])
    with open_artifact(tmp_path / "one.h5") as one:
        write(tmp_path / "two.h5", inputs=[one])
    for name in ("one.h5", "two.h5"):
        with open_artifact(tmp_path / name) as found:
            assert reading_of(found.data) == Reading(range=(0, 4095), alpha="white")
    assert reading_of(None) == AS_IT_IS


@pytest.mark.parametrize("text", ["{", "[]", '{"alpha": 3}'])
def test_a_record_of_pixels_that_makes_no_sense(text: str) -> None:
    record = {"path": "d.h5", "relative": "d.h5", "run": "r"}
    check_records([], record)
    with pytest.raises(ValueError, match=r"\S"):
        check_records([], {**record, "reading": text})
