"""Records of what taught a file: joined over inputs, each image counted once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wsss_cli.artifacts import ledger
from wsss_cli.artifacts.supervision import (
    CHOSEN,
    LEARNED,
    MARKS,
    MASKS,
    POINTS,
    PRETRAINING,
    SALIENCY,
    TAGS,
    UNRECORDED,
    WEIGHTS,
    Taught,
    check,
    joined,
    of_contents,
    of_images,
    of_source,
    read_entries,
    record_of,
    taught_by,
)

IDS = [f"{number:02}" for number in range(12)]


@dataclass
class File:
    """An input: a data set of IDS, or what was made from one."""

    kind: str = "wsss/dataset"
    run: str = "d"
    path: Path = Path("data.h5")
    supervision: list[dict[str, Any]] | None = None
    data: dict[str, str] | None = field(default=None)

    def encoded_ids(self) -> np.ndarray:
        return np.array([one.encode() for one in IDS])

    @property
    def schema(self) -> Any:
        """Of a data set of tags, and of masks that every other image has."""
        return SimpleNamespace(fields=[SimpleNamespace(name=name) for name in ("tags", "mask")])

    def column(self, name: str) -> Any:
        shapes = np.zeros((len(IDS), 1), np.int32)
        if name == "mask":
            shapes[1::2] = -1
        return SimpleNamespace(shapes=lambda: shapes)


DATA: Any = File()


def made(ids: list[str], learns: Any, *inputs: Any, trains: bool = False, **more: Any) -> Any:
    """A file made from the data set and others."""
    record = record_of([DATA, *inputs], ids, learns, trains=trains, run="own", **more)
    return File("wsss/label", "own", Path("made.h5"), record)


def entries(file: Any) -> list[Taught]:
    return read_entries(file.supervision)


def images(file: Any) -> dict[tuple[str, bool], int | None]:
    """Counts by kind, and by whether each image made its own item alone."""
    return {(one.what, one.own): one.images for one in entries(file)}


def test_what_trains_counts_the_union_over_the_chain() -> None:
    first = made(IDS[:6], [TAGS], trains=True)
    assert images(first) == {(TAGS, False): 6}
    second = made(IDS[4:9], [TAGS, POINTS], first, trains=True)
    assert images(second) == {(TAGS, False): 9, (POINTS, False): 5}
    assert [one.run for one in entries(second)] == ["d", "d"]


def test_random_lists_count_as_sets_do() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        seen: set[str] = set()
        file = None
        for _ in range(3):
            ids = [one for one in IDS if rng.random() < 0.4]
            seen |= set(ids)
            file = made(ids, [TAGS], *([] if file is None else [file]), trains=True)
        assert images(file) == ({(TAGS, False): len(seen)} if seen else {})


def test_of_items_made_each_for_itself_only_those_that_go_on_count() -> None:
    """Maps of the tags of all twelve, by a classifier of six; four of them train what follows."""
    classifier = made(IDS[:6], [TAGS], trains=True)
    maps = made(IDS, [TAGS], classifier)
    assert images(maps) == {(TAGS, False): 6, (TAGS, True): 12}
    seeds = made(IDS[3:8], [], maps)
    assert images(seeds) == {(TAGS, False): 6, (TAGS, True): 5}
    network = made(IDS[5:8], [], seeds, trains=True)
    assert images(network) == {(TAGS, False): 8}  # 0 to 5, 6 and 7


def test_images_without_such_labels_do_not_count() -> None:
    """Every other image has a mask; other data sets' lists may hold as many as there were."""
    masks = made(IDS, [MASKS, TAGS])
    assert images(masks) == {(TAGS, True): 12, (MASKS, True): 6}
    network = made(IDS[:3], [], masks, trains=True)
    assert images(network) == {(TAGS, False): 3, (MASKS, False): 2}
    assert images(made(IDS[1:2], [MASKS])) == {}
    other: Any = File(run="another")
    record = record_of([other, masks], IDS[:7], ())
    assert [(one.images, one.rows) for one in read_entries(record)] == [(7, ""), (6, "")]


def test_lists_of_another_data_set_cannot_be_compared() -> None:
    classifier = made(IDS[:6], [TAGS], trains=True)
    maps = made(IDS, [TAGS], classifier)
    other: Any = File(run="another", path=Path("again.h5"))
    record = record_of([other, maps], IDS[5:9], (), trains=True)
    (one,) = read_entries(record)
    assert (one.images, one.at_least, one.rows, one.run) == (6, True, "", "d")
    record = record_of([other], ["no such image"], [TAGS], trains=True)
    (one,) = read_entries(record)
    assert (one.images, one.rows, one.file) == (1, "", "again.h5")


def test_uses_and_kinds_and_files_stay_apart() -> None:
    maps = [Taught(SALIENCY, of=name) for name in ("u2net", "drfi")]
    watched = of_images(Taught(TAGS, CHOSEN), IDS[8:], DATA)
    file = made(IDS[:4], [TAGS, *maps], trains=True, more=[watched])
    found = [(one.what, one.use, one.of, one.images) for one in entries(file)]
    assert found == [
        (TAGS, LEARNED, "", 4),
        (SALIENCY, LEARNED, "u2net", 4),
        (SALIENCY, LEARNED, "drfi", 4),
        (TAGS, CHOSEN, "", 4),
    ]


def test_nobody_says_what_it_is_made_of() -> None:
    silent = made(IDS, None)
    (one,) = entries(silent)
    assert (one.what, one.run, one.file, one.by) == (UNRECORDED, "own", "", ())
    user = made(IDS[:2], [TAGS], silent, trains=True)
    assert [(one.what, one.file) for one in entries(user)] == [
        (TAGS, "data.h5"),
        (UNRECORDED, "made.h5"),
    ]
    before: Any = File("wsss/cam", "old", Path("old.h5"))
    assert [(one.what, one.file, one.run) for one in of_source(before)] == [
        (UNRECORDED, "old.h5", "old")
    ]
    assert of_source(DATA) == []
    with pytest.raises(ValueError, match="'dots' is no kind of label"):
        made(IDS, ["dots"])


def test_commands_are_named_and_what_they_write_beside_weights_learned_the_same() -> None:
    with ledger.opened("train-cls") as book:
        weights = made(IDS[:3], [TAGS], trains=True)
        book.taught = weights.supervision
        beside = made(IDS[:3], None)
    assert entries(beside) == entries(weights)
    with ledger.opened("make-cam"):
        maps = made(IDS[:3], [TAGS], weights, trains=True)
    assert [one.by for one in entries(maps)] == [("train-cls", "make-cam")]
    assert [one.by for one in entries(made(IDS, [TAGS]))] == [()]


def test_pretraining() -> None:
    (one,) = taught_by("resnet50", "torchvision's IMAGENET1K_V1")
    assert (one.what, one.use, one.images, one.file) == (
        TAGS,
        PRETRAINING,
        1_281_167,
        "ImageNet-1k",
    )
    assert one.of == "resnet50, torchvision's IMAGENET1K_V1"
    (one,) = taught_by("timm:tf_efficientnet_lite0", "timm's lite0.in1k")
    assert (one.what, one.images) == (WEIGHTS, None)
    assert one.of == "timm:tf_efficientnet_lite0, timm's lite0.in1k"
    (one,) = of_contents({"state_dict": {}}, Path("x/resnet50.pth"))
    assert (one.what, one.use, one.of) == (WEIGHTS, PRETRAINING, "file resnet50.pth, not ours")
    ours = made(IDS[:3], [TAGS], trains=True).supervision
    found = {"kind": "wsss/cls", "run": "r", "supervision": ours}
    assert of_contents(found, Path("cls.pt")) == read_entries(ours)
    (one,) = of_contents({"kind": "wsss/cls", "run": "r"}, Path("cls.pt"))
    assert (one.what, one.file, one.run) == (UNRECORDED, "cls.pt", "r")


def test_entries_come_back_as_they_were_stored() -> None:
    one = Taught(POINTS, CHOSEN, ("a", "b"), 3, True, "d.h5", "run", "", True, "words")
    assert read_entries([one.record()]) == [one]
    assert Taught(TAGS).record() == {"what": TAGS, "use": LEARNED}
    assert read_entries([{"what": TAGS, "from tomorrow": 1}]) == [Taught(TAGS)]
    assert joined([]) == []
    assert len(set(MARKS)) == 5


@pytest.mark.parametrize(
    "records",
    [
        {},
        "tags",
        [3],
        [{}],
        [{"what": 3}],
        [{"what": TAGS, "images": -1}],
        [{"what": TAGS, "images": True}],
        [{"what": TAGS, "images": 1.5}],
        [{"what": TAGS, "by": "train-cls"}],
        [{"what": TAGS, "by": [1]}],
        [{"what": TAGS, "own": 1}],
        [{"what": TAGS, "run": None}],
        [{"what": TAGS, "rows": "no list"}],
    ],
    ids=str,
)
def test_what_is_no_record_is_refused(records: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        check(records)


def test_the_order_is_by_use_then_kind() -> None:
    mixed = [Taught(what, use) for what, use in itertools.product((MASKS, TAGS), (CHOSEN, LEARNED))]
    assert [(one.use, one.what) for one in joined(mixed)] == [
        (LEARNED, TAGS),
        (LEARNED, MASKS),
        (CHOSEN, TAGS),
        (CHOSEN, MASKS),
    ]
    check(None)
