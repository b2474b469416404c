"""Labels written as PNGs. How a folder is written and taken up again: test_artifacts_files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wsss_cli.core.images import decode_mask
from wsss_cli.formats.png_folder import PngFolder


def test_each_id_has_its_png_and_no_journal_is_left(tmp_path: Path) -> None:
    labels = {"a": np.full((2, 3), 1, np.uint8), "b/c": np.full((4, 1), 255, np.uint8)}
    with PngFolder(tmp_path / "masks", ".png", list(labels), "run") as out:
        for image_id in out.todo:
            out.put(image_id, label=labels[image_id], present=np.zeros(0, np.uint16))
    assert [path.name for path in tmp_path.iterdir()] == ["masks"]
    files = [path for path in (tmp_path / "masks").rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path / "masks").as_posix() for path in files) == [
        "a.png",
        "b/c.png",
    ]
    for path in files:
        image_id = path.relative_to(tmp_path / "masks").with_suffix("").as_posix()
        assert np.array_equal(decode_mask(path.read_bytes()), labels[image_id])
