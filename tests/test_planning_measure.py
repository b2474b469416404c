"""What the stages are measured on, and how rates follow from seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made import wsss

from wsss_cli.artifacts import open_dataset
from wsss_cli.planning import measure as _measure
from wsss_cli.planning.measure import Probe, seen_megapixels


def test_megapixels_after_max_side() -> None:
    assert seen_megapixels((1000, 2000), 0) == 2
    assert seen_megapixels((1000, 2000), 4000) == 2
    assert seen_megapixels((1000, 2000), 1000) == 0.5


def test_what_cannot_be_measured_is_said(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Probe, commands: object) -> dict[str, Any]:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Probe, "_run", fail)
    result = wsss("plan", "--data", tiny_data, "--json", "-q")
    assert result.exit_code == 0
    said = "wsss: warning: train-cls: cannot be measured (no memory), nor can what follows\n"
    assert result.stderr == said
    assert all(row["seconds"] is None for row in json.loads(result.stdout)["stages"])


def test_the_largest_image_is_measured(tiny_data: Path) -> None:
    class Data:
        def size(self, image_id: str) -> tuple[int, int]:
            return 10, int(image_id)

        def tags(self, image_id: str) -> list[int]:
            return [] if image_id == "99" else [0]

    ids = [str(side) for side in (5, 99, 1, 2, 3, 4, 50, 6)]
    chosen = _measure.choose_images(Data(), ids)  # type: ignore[arg-type]
    assert chosen == ["3", "4", "5", "50"]


def test_measured_images_keep_their_ids(tiny_data: Path, tmp_path: Path) -> None:
    """So that --targets, --saliency and the like find what belongs to them."""
    with open_dataset(tiny_data) as data:
        names = _measure.small_copy(data, ["a/3", "a/0"], tmp_path / "small.h5")
        assert names[:2] == ["a/3", "a/0"]
        with open_dataset(tmp_path / "small.h5") as small:
            assert small.ids == sorted(names)
            assert [bytes(small.encoded_image(name)) for name in names] == [
                bytes(data.encoded_image(image_id)) for image_id in ("a/3", "a/0", "a/3", "a/0")
            ]
