"""make-seeds --method cues: SEC's cells as labels of pixels, and cues of other classes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_formats_cues import TAGS, table, write

from wsss_cli.artifacts import open_dataset
from wsss_cli.errors import UsageError, WsssError
from wsss_cli.formats.cues import GRID, read_cues
from wsss_cli.inference.saliency import Saliency
from wsss_cli.inference.seeding import Seeds, SeedTask
from wsss_cli.methods.make_seeds.cues import CARD, CueFiles, CueLabels
from wsss_cli.options.cards import Chosen

NOTHING: dict[str, Any] = {"refinement": None, "saliency": None}


def begin(data: Path, content: Any, files: ExitStack, **changes: Any) -> Seeds:
    path = write(data.parent, content)
    task = SeedTask(**{**{"cam": Path("none.h5"), "data": data, "ids": None}, **NOTHING, **changes})
    options = CueFiles(cues=path, cues_list=data.with_name("list.txt"))
    return CARD.begin(task, Chosen(CARD, options), files)


def test_it_has_no_rule_of_maps_and_no_numbers() -> None:
    assert CARD.own == {"cues": None, "cues_list": None}
    assert (CARD.rule, CARD.crf, CARD.by_saliency) == (None, "none", False)


def test_a_pixel_has_the_label_of_its_cell(tiny_data: Path) -> None:
    """32 rows over 41 cells: row y lies in cell (y + 0.5) * 41 / 32."""
    with ExitStack() as files:
        seeds = begin(tiny_data, table(), files)
        assert seeds.ids == [f"a/{index}" for index in range(5)]  # a/5 is not in the list
        assert not seeds.travels
        assert [one.kind for one in seeds.inputs] == ["wsss/dataset"]
        item = seeds.make("a/3")
    cells = read_cues(tiny_data.with_name("cues.gz"), tiny_data.with_name("list.txt")).cells("a/3")
    rows = [int((y + 0.5) * GRID / 32) for y in range(32)]
    columns = [int((x + 0.5) * GRID / 48) for x in range(48)]
    assert np.array_equal(item["label"], cells[rows][:, columns])
    assert set(np.unique(item["label"])) == {0, 1, 2, 255}
    assert item["present"].tolist() == [0, 1]


def test_saliency_marks_the_background(tiny_data: Path) -> None:
    folder = tiny_data.parent / "eye" / "a"
    folder.mkdir(parents=True)
    for index in range(5):
        Image.fromarray(np.full((32, 48), 255, np.uint8)).save(folder / f"{index}.png")
    with ExitStack() as files:
        seeds = begin(tiny_data, table(), files, saliency=Saliency(folder.parent, 0.25))
        assert seeds.params["saliency"].startswith("eye sha256:")
        assert seeds.params["saliency_below"] == 0.25
        assert set(np.unique(seeds.make("a/3")["label"])) == {1, 2, 255}  # all is salient


def test_what_is_recorded(tiny_data: Path) -> None:
    with ExitStack() as files:
        params = begin(tiny_data, table(), files).params
    digest = read_cues(tiny_data.with_name("cues.gz"), tiny_data.with_name("list.txt")).digest
    assert params == {"method": "cues", "cues": f"cues.gz sha256:{digest}"}


def test_both_files_are_needed(tiny_data: Path) -> None:
    for options in (CueFiles(), CueFiles(cues=Path("c")), CueFiles(cues_list=Path("l"))):
        task = SeedTask(Path("none.h5"), tiny_data, None, **NOTHING)
        with (
            ExitStack() as files,
            pytest.raises(UsageError, match="--method cues: needs --cues and --cues-list"),
        ):
            CARD.begin(task, Chosen(CARD, options), files)


def test_cues_of_other_images(tiny_data: Path, tmp_path: Path) -> None:
    path = write(tiny_data.parent, table())
    tiny_data.with_name("list.txt").write_text("b/0.jpg 7\n")
    options = CueFiles(cues=path, cues_list=tiny_data.with_name("list.txt"))
    task = SeedTask(Path("none.h5"), tiny_data, None, **NOTHING)
    with ExitStack() as files, pytest.raises(WsssError, match="names none of the images in"):
        CARD.begin(task, Chosen(CARD, options), files)


def test_cues_of_other_classes(tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as files:
        content = {**table(), "7_labels": np.array([4])}
        with pytest.raises(WsssError, match=r"'a/0' has label 4, .* has 3 classes"):
            begin(tiny_data, content, files)
        most = {f"{index + 7}_labels": np.array([3]) for index in (0, 1, 3)}
        with pytest.raises(WsssError, match=r"names other classes than .* for 3 of 5 images"):
            begin(tiny_data, {**table(), **most}, files)
        assert capsys.readouterr().err == ""
        begin(tiny_data, {**table(), "7_labels": np.array([3])}, files)
    assert "1 of 5 images have other classes than their tags" in capsys.readouterr().err


def test_labels_are_made_anywhere(tiny_data: Path) -> None:
    path = write(tiny_data.parent, table())
    with open_dataset(tiny_data) as data:
        make = CueLabels(read_cues(path, tiny_data.with_name("list.txt")), data, None)
        assert {image_id: make(image_id)["present"].tolist() for image_id in data.ids[:5]} == {
            f"a/{index}": [label - 1 for label in labels] for index, labels in TAGS.items()
        }
