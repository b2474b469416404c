"""merge: the shards of one run give its unsharded file; nothing else is joined."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from made import masks_of, random_cams, write_cam, write_labels, wsss

from wsss_cli.artifacts import Artifact, Writer, open_artifact
from wsss_cli.artifacts import merge as merge_module
from wsss_cli.artifacts.standing import partial_path


def contents(path: Path) -> dict[str, object]:
    """Attributes other than the command, and every item's arrays."""
    with open_artifact(path) as found:
        items = {
            image_id: {name: (a.dtype.name, a.tolist()) for name, a in found[image_id].items()}
            for image_id in found.ids
        }
        kept = {name: v for name, v in found.attributes.items() if name != "command"}
        return {"items": items, "attributes": kept}


def cam_shards(data: Path, folder: Path, count: int, stride: int = 4) -> list[Path]:
    cams = random_cams(data, stride)
    return [
        write_cam(folder / f"{index}-of-{count}.h5", data, cams, stride, shard=f"{index}/{count}")
        for index in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_merged_shards_equal_the_unsharded_file(
    tiny_data: Path, tmp_path: Path, count: int
) -> None:
    shards = cam_shards(tiny_data, tmp_path, count)
    whole = write_cam(tmp_path / "whole.h5", tiny_data, random_cams(tiny_data))
    out = tmp_path / "merged.h5"
    result = wsss("merge", *reversed(shards), "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"merge: {count} shards, 6 items -> {out}\n"
    assert contents(out) == contents(whole)
    assert wsss("merge", *shards, "-o", tmp_path / "two.h5", "-q").stderr == ""


def test_a_missing_shard_is_named_with_what_to_rerun(tiny_data: Path, tmp_path: Path) -> None:
    one, _, three, _ = cam_shards(tiny_data, tmp_path, 4)
    result = wsss("merge", one, three, "-o", tmp_path / "m.h5")
    assert result.exit_code == 3
    assert f"shard 2/4 is missing beside {one}" in result.stderr
    assert "--shard 2/4" in result.stderr
    assert not (tmp_path / "m.h5").exists()


def test_a_repeated_shard_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    one, two = cam_shards(tiny_data, tmp_path, 2)
    copy = tmp_path / "copy.h5"
    copy.write_bytes(one.read_bytes())
    for repeated in (one, copy):
        result = wsss("merge", one, two, repeated, "-o", tmp_path / "m.h5")
        assert result.exit_code == 3
        assert f"{one} and {repeated}: both are shard 1/2" in result.stderr


def test_shards_of_other_runs_counts_and_kinds_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    one, _ = cam_shards(tiny_data, tmp_path, 2)
    masks = masks_of(tiny_data)
    (tmp_path / "other").mkdir()
    strangers = [
        cam_shards(tiny_data, tmp_path / "other", 2, stride=8)[1],  # other options
        cam_shards(tiny_data, tmp_path, 3)[1],  # another count
        write_labels(tmp_path / "l.h5", tiny_data, masks, shard="2/2"),  # another kind
        write_cam(  # other images
            tmp_path / "fewer.h5",
            tiny_data,
            {"a/0": random_cams(tiny_data)["a/0"], "a/1": random_cams(tiny_data)["a/1"]},
            shard="2/2",
        ),
    ]
    for stranger in strangers:
        result = wsss("merge", one, stranger, "-o", tmp_path / "m.h5")
        assert result.exit_code == 3
        assert f"{stranger}: of another run than {one}" in result.stderr
        assert not (tmp_path / "m.h5").exists()


def test_a_shard_of_another_data_set_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    one, _ = cam_shards(tiny_data, tmp_path, 2)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    changed = elsewhere / "data.h5"
    changed.write_bytes(tiny_data.read_bytes())
    with h5py.File(changed, "r+") as file:
        file.attrs["run"] = json.dumps("0" * 16)
    two = cam_shards(changed, elsewhere, 2)[1]
    result = wsss("merge", one, two, "-o", tmp_path / "m.h5")
    assert result.exit_code == 3
    assert "of another run than" in result.stderr


def test_an_image_in_two_shards_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    one, two = cam_shards(tiny_data, tmp_path, 2)
    forged = tmp_path / "forged.h5"
    forged.write_bytes(one.read_bytes())
    with h5py.File(forged, "r+") as file:
        file.attrs["shard"] = json.dumps("2/2")
    result = wsss("merge", one, forged, "-o", tmp_path / "m.h5")
    assert result.exit_code == 3
    assert "both hold 'a/0'" in result.stderr
    assert not list(tmp_path.glob(".*tmp")) + list(tmp_path.glob("m.h5*"))
    assert two.exists()


def test_an_unfinished_shard_is_not_taken(tiny_data: Path, tmp_path: Path) -> None:
    one, two = cam_shards(tiny_data, tmp_path, 2)
    part = tmp_path / "2-of-2.h5.partial"
    part.write_bytes(b"wsss journal 1\n")
    result = wsss("merge", one, part, "-o", tmp_path / "m.h5")
    assert result.exit_code == 3
    assert f"{part}: not an HDF5 file" in result.stderr
    two.write_bytes(two.read_bytes()[:-100])
    result = wsss("merge", one, two, "-o", tmp_path / "m.h5")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == f"wsss: error: {two}: cut short"


def test_data_sets_have_no_shards(tiny_data: Path, tmp_path: Path) -> None:
    result = wsss("merge", tiny_data, "-o", tmp_path / "m.h5")
    assert result.exit_code == 3
    assert "a data set has no shards" in result.stderr


def test_an_existing_output_is_kept_unless_forced(tiny_data: Path, tmp_path: Path) -> None:
    shards = cam_shards(tiny_data, tmp_path, 2)
    out = tmp_path / "m.h5"
    out.write_bytes(b"mine")
    assert wsss("merge", *shards, "-o", out).exit_code == 2
    assert out.read_bytes() == b"mine"
    bad = wsss("merge", shards[0], "-o", out, "--force")
    assert bad.exit_code == 3
    assert out.read_bytes() == b"mine"  # a refused merge replaces nothing
    assert wsss("merge", *shards, "-o", out, "--force").exit_code == 0
    assert len(open_artifact(out)) == 6


def test_an_output_that_is_one_of_the_shards_is_refused(tiny_data: Path, tmp_path: Path) -> None:
    shards = cam_shards(tiny_data, tmp_path, 2)
    before = shards[0].read_bytes()
    for options in ([], ["--force"]):
        result = wsss("merge", *shards, "-o", shards[0], *options)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"wsss: error: {shards[0]}: is an input")
    assert shards[0].read_bytes() == before


def test_nothing_to_merge_is_a_usage_error(tmp_path: Path) -> None:
    assert wsss("merge", "-o", tmp_path / "m.h5").exit_code == 2
    assert wsss("merge", tmp_path / "no.h5", "-o", tmp_path / "m.h5").exit_code == 3


def test_what_is_merged_goes_on_down_the_chain(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    shards = [
        write_labels(tmp_path / f"{index}.h5", tiny_data, masks, shard=f"{index}/2")
        for index in (1, 2)
    ]
    out = tmp_path / "m.h5"
    assert wsss("merge", *shards, "-o", out).exit_code == 0
    scored = json.loads(wsss("eval", out, "--json", "-").stdout)  # finds the data set by itself
    assert scored["protocol"]["images_counted"] == 6
    assert np.allclose(scored["miou"], 1)


@pytest.mark.parametrize("killed", [False, True])
def test_more_shards_than_are_held_open(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """They go through a journal, one after the other; a merge that dies goes on from it."""
    monkeypatch.setattr(merge_module, "OPEN", 3)
    shards = cam_shards(tiny_data, tmp_path, 4)
    whole = write_cam(tmp_path / "whole.h5", tiny_data, random_cams(tiny_data))
    out, opened = tmp_path / "m.h5", []
    if killed:
        with monkeypatch.context() as patch:
            patch.setattr(Writer, "finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
            assert wsss("merge", *shards, "-o", out).exit_code == 130
        assert not out.exists()
        assert partial_path(out).exists()
        reading = Artifact.__getitem__
        monkeypatch.setattr(
            Artifact, "__getitem__", lambda self, i: opened.append(i) or reading(self, i)
        )
    assert wsss("merge", *shards, "-o", out).exit_code == 0
    assert opened == []  # what is in the journal is not read again
    assert contents(out) == contents(whole)
    assert not partial_path(out).exists()
