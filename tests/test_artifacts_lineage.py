"""What taught a file without a record of it: along its chain, as far as that lies there."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from made import random_cams, write_cam

from wsss_cli.artifacts import (
    LABEL,
    create,
    load_weights,
    open_artifact,
    open_dataset,
    save_weights,
)
from wsss_cli.artifacts.lineage import Chain, Origin, read_origin
from wsss_cli.artifacts.supervision import (
    LEARNED,
    MASKS,
    PRETRAINING,
    TAGS,
    UNRECORDED,
    WEIGHTS,
    record_of,
)
from wsss_cli.errors import WsssError

OLD = "was written before files recorded what taught them"


def weights(
    path: Path, data: Path, kind: str = "wsss/cls", inputs: Any = (), **params: Any
) -> Path:
    with open_dataset(data) as reader:
        ids, sources = reader.ids[:4], [reader, *inputs]
        save_weights(
            path,
            kind=kind,
            config={},
            classes=reader.classes,
            params={"backbone": "resnet50", "weights": "random", **params},
            seed=0,
            inputs=sources,
            state_dict={"w": torch.zeros(1)},
            ids=ids,
            taught=record_of(sources, ids, (TAGS,), trains=True),
        )
    return path


def without_record(path: Path) -> Path:
    """As a program from before there were records wrote it."""
    if path.suffix == ".pt":
        found = torch.load(path, weights_only=True)
        del found["supervision"]
        torch.save(found, path)
    else:
        with h5py.File(path, "r+") as file:
            del file.attrs["supervision"]
    return path


def labels(path: Path, maps: Path, data: Path, learns: Any = ()) -> Path:
    with open_dataset(data) as reader, open_artifact(maps) as source:
        inputs = [reader, source]
        with create(
            path,
            LABEL,
            classes=reader.classes,
            params={},
            inputs=inputs,
            ids=["a/0"],
            learns=learns,
        ) as out:
            height, width = reader.size("a/0")
            item = torch.zeros(height, width, dtype=torch.uint8).numpy()
            out.put("a/0", label=item, present=reader.tags("a/0"))
    return path


def said(path: Path) -> tuple[list[tuple[str, str, int | None]], list[str]]:
    chain = Chain(read_origin(path))
    return [(one.what, one.use, one.images) for one in chain.taught], chain.gaps


@pytest.fixture
def classifier(tiny_data: Path, tmp_path: Path) -> Path:
    return weights(tmp_path / "cls.pt", tiny_data)


def old_maps(classifier: Path, data: Path) -> Path:
    path = classifier.with_name("cam.h5")
    write_cam(path, data, random_cams(data), inputs=[load_weights(classifier)])
    return without_record(path)


def test_a_record_answers_alone(classifier: Path) -> None:
    assert said(classifier) == ([(TAGS, LEARNED, 4)], [])


def test_an_old_file_says_what_its_inputs_know(classifier: Path, tiny_data: Path) -> None:
    maps = old_maps(classifier, tiny_data)
    assert said(maps) == ([(TAGS, LEARNED, 4), (UNRECORDED, LEARNED, None)], [f"cam.h5: {OLD}"])
    seeds = labels(maps.with_name("seeds.h5"), maps, tiny_data)
    entries, gaps = said(seeds)  # which has a record, of an input that has none
    assert entries == [(TAGS, LEARNED, 4), (UNRECORDED, LEARNED, None)]
    assert gaps == [f"cam.h5: {OLD}"]
    alone = classifier.parent / "alone"
    alone.mkdir()
    shutil.copy(seeds, alone)
    assert said(alone / "seeds.h5") == ([(UNRECORDED, LEARNED, None)], ["cam.h5: is gone"])


def test_inputs_that_are_gone_changed_or_damaged(
    classifier: Path, tiny_data: Path, tmp_path: Path
) -> None:
    maps = old_maps(classifier, tiny_data)
    weights(classifier, tiny_data, lr=2)
    lost = [(UNRECORDED, LEARNED, None)] * 2
    why = "cls.pt: is not the file that cam.h5 was made from"
    assert said(maps) == (lost, [f"cam.h5: {OLD}", why])
    classifier.write_bytes(b"nothing")
    entries, gaps = said(maps)
    assert entries == lost
    assert gaps[1].startswith("cls.pt: cannot be read (")
    classifier.unlink()
    assert said(maps) == (lost, [f"cam.h5: {OLD}", "cls.pt: is gone"])


def test_inputs_are_found_in_the_working_folder(
    classifier: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = old_maps(classifier, tiny_data)
    (tmp_path / "here").mkdir()
    classifier.rename(tmp_path / "here" / "cls.pt")
    monkeypatch.chdir(tmp_path / "here")
    assert said(maps)[0][0] == (TAGS, LEARNED, 4)


def test_what_old_weights_started_from(classifier: Path, tiny_data: Path, tmp_path: Path) -> None:
    old = tmp_path / "seg.pt"
    gap = f"seg.pt: {OLD}"
    unknown = (UNRECORDED, LEARNED, None)
    without_record(weights(old, tiny_data, "wsss/seg", weights="imagenet"))
    assert said(old) == ([unknown, (TAGS, PRETRAINING, 1_281_167)], [gap])
    digest = hashlib.sha256(classifier.read_bytes()).hexdigest()[:16]
    without_record(weights(old, tiny_data, "wsss/seg", weights=f"cls.pt sha256:{digest}"))
    assert said(old) == ([(TAGS, LEARNED, 4), unknown], [gap])
    without_record(weights(old, tiny_data, "wsss/seg", weights="cls.pt sha256:0123456789abcdef"))
    lost = "cls.pt: what the backbone started from is gone, or has changed"
    assert said(old) == ([unknown, (WEIGHTS, PRETRAINING, None)], [gap, lost])


def test_files_that_are_not_ours(tmp_path: Path, tiny_data: Path) -> None:
    theirs = tmp_path / "resnet50.pth"
    torch.save({"conv1.weight": torch.zeros(2)}, theirs)
    origin = read_origin(theirs)
    assert origin.others
    (one,) = Chain(origin).taught
    assert (one.use, one.of) == (PRETRAINING, "file resnet50.pth, not ours")
    chain = Chain(
        Origin(
            tmp_path / "cam.h5",
            "wsss/cam",
            "r",
            inputs=[{"file": "resnet50.pth", "kind": "torch/state-dict", "run": "x"}],
        )
    )
    assert [one.of for one in chain.taught if one.use == PRETRAINING] == [one.of]
    assert Chain(read_origin(tiny_data)).taught == []


def test_what_nobody_said(tiny_data: Path, tmp_path: Path) -> None:
    maps = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    gap = "cam.h5: a program of the user's did not say what it is made of"
    assert said(maps) == ([(UNRECORDED, LEARNED, None)], [gap])
    seeds = labels(tmp_path / "seeds.h5", maps, tiny_data, (MASKS,))
    # what is made of it leads back to it
    assert said(seeds) == ([(MASKS, LEARNED, 1), (UNRECORDED, LEARNED, None)], [gap])


@pytest.mark.parametrize("name", ["none.h5", "none.pt", "text.h5", "text.pt", "folder"])
def test_what_is_no_file_of_ours_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.startswith("text"):
        path.write_text("hello")
    if name == "folder":
        path.mkdir()
    with pytest.raises(WsssError, match=name):
        read_origin(path)


def test_a_damaged_record_is_refused_when_the_file_is_opened(
    classifier: Path, tiny_data: Path, tmp_path: Path
) -> None:
    maps = write_cam(tmp_path / "cam.h5", tiny_data, random_cams(tiny_data))
    with h5py.File(maps, "r+") as file:
        file.attrs["supervision"] = '[{"what": 3}]'
    with pytest.raises(WsssError, match=r"damaged \(supervision is no record"):
        open_artifact(maps)
    found = torch.load(classifier, weights_only=True)
    found["supervision"] = {"tags": 3}
    torch.save(found, classifier)
    with pytest.raises(WsssError, match=r"damaged \(supervision is no record"):
        load_weights(classifier)
