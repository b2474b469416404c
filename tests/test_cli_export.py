"""export: files that other tools read, each inside the folder whatever the ids are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from dying import kill_after_files
from hypothesis import given
from hypothesis import strategies as st
from made import masks_of, pack_like, random_cams, write_cam, write_labels, wsss
from PIL import Image

from wsss_cli.artifacts.files import OutputFolder
from wsss_cli.core.cam import dequantise
from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.images import voc_palette
from wsss_cli.errors import WsssError


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything below a folder: bytes of files, targets of links."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def labels_of_ids(tmp_path: Path, *ids: str) -> Path:
    image, mask = np.zeros((2, 3, 3), np.uint8), np.ones((2, 3), np.uint8)
    data = pack_like(tmp_path / "data.h5", dict.fromkeys(ids, image), {}, {}, ["one"])
    return write_labels(tmp_path / "p.h5", data, dict.fromkeys(ids, mask))


# What the files hold


def test_labels_become_palette_pngs(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(tmp_path / "p.h5", tiny_data, masks)
    out = tmp_path / "png"
    result = wsss("export", path, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"export: 6 files -> {out}\n"
    assert list(tree(out)) == [f"a/{index}.png" for index in range(6)]
    for image_id, mask in masks.items():
        with Image.open(out / f"{image_id}.png") as image:
            assert image.mode == "P"
            assert (np.array(image) == mask).all()  # 255 survives
            assert image.getpalette() == voc_palette().ravel().tolist()


def test_labels_become_npy(tiny_data: Path, tmp_path: Path) -> None:
    masks = masks_of(tiny_data)
    path = write_labels(tmp_path / "p.h5", tiny_data, masks)
    out = tmp_path / "npy"
    result = wsss("export", path, "-o", out, "--format", "npy", "--ids", "-", "-q", stdin="a/3\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert list(tree(out)) == ["a/3.npy"]
    loaded = np.load(out / "a/3.npy")  # no pickle in it
    assert loaded.dtype == np.uint8
    assert (loaded == masks["a/3"]).all()


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_maps_become_what_irns_later_steps_read(
    tiny_data: Path, tmp_path: Path, dtype: str
) -> None:
    cams = random_cams(tiny_data, dtype=dtype)
    path = write_cam(tmp_path / "cam.h5", tiny_data, cams)
    assert wsss("export", path, "-o", tmp_path / "irn").exit_code == 0
    for image_id, item in cams.items():
        loaded = np.load(tmp_path / f"irn/{image_id}.npy", allow_pickle=True).item()
        assert set(loaded) == {"keys", "cam", "high_res"}
        labels = np.pad(loaded["keys"] + 1, (1, 0), mode="constant")  # as their code does
        assert labels.tolist() == [0, *(item["classes"] + 1).tolist()]
        assert isinstance(loaded["cam"], torch.Tensor)  # they call .cuda() on it
        assert torch.equal(loaded["cam"], dequantise(item["cam"]))
        assert loaded["high_res"].shape == (len(item["classes"]), 32, 48)
        assert loaded["high_res"].dtype == np.float32
        expected = upsample_grid(dequantise(item["cam"]), (32, 48), 4).numpy()
        assert (loaded["high_res"] == expected).all()


def test_maps_become_what_psas_later_steps_read(tiny_data: Path, tmp_path: Path) -> None:
    cams = random_cams(tiny_data, stride=8)
    path = write_cam(tmp_path / "cam.h5", tiny_data, cams, stride=8)
    assert wsss("export", path, "-o", tmp_path / "psa", "--format", "psa-npy").exit_code == 0
    loaded = np.load(tmp_path / "psa/a/4.npy", allow_pickle=True).item()
    assert list(loaded) == [1, 2]
    expected = upsample_grid(dequantise(cams["a/4"]["cam"]), (32, 48), 8).numpy()
    for index, one in loaded.items():
        assert type(index) is int
        assert (one.shape, one.dtype) == ((32, 48), np.float32)
        assert (one == expected[index - 1]).all()
    assert np.load(tmp_path / "psa/a/5.npy", allow_pickle=True).item() == {}


def test_formats_that_do_not_fit_are_refused(tiny_data: Path, tmp_path: Path) -> None:
    labels = write_labels(tmp_path / "p.h5", tiny_data, masks_of(tiny_data))
    coarse = random_cams(tiny_data, stride=8)
    cam = write_cam(tmp_path / "cam.h5", tiny_data, coarse, stride=8)
    unknown = write_cam(tmp_path / "unknown.h5", tiny_data, coarse, stride=None)
    out = tmp_path / "out"
    for path, name, code, words in (
        (labels, "irn-npy", 2, "it goes out as png or npy"),
        (cam, "png", 2, "it goes out as irn-npy or psa-npy or boxes-csv"),
        (cam, "irn-npy", 3, "maps of stride 8, IRN's are of 4"),
        (unknown, "psa-npy", 3, "does not record its stride"),
        (tiny_data, "png", 3, "holds wsss/dataset"),
        (labels, "jpeg", 2, "jpeg"),
    ):
        result = wsss("export", path, "-o", out, "--format", name)
        assert result.exit_code == code
        assert words in result.stderr
        assert tree(out) == {}


# Where the files go


@pytest.mark.parametrize(
    "image_id",
    [
        "../x",
        "..",
        ".",
        "a/../../x",
        "a/..",
        "a/./b",
        "/tmp/x",
        "/",
        "//x",
        "a//b",
        "a/",
        "nul\0byte",
        "long/" + "n" * 252,
        "é" * 126,
    ],
)
def test_an_id_that_names_no_file_inside_is_refused(tmp_path: Path, image_id: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    out = home / "deep" / "out"
    out.parent.mkdir()
    with pytest.raises(WsssError, match="id "):
        OutputFolder(out, ".png", ["fine", image_id], "run")
    assert tree(tmp_path) == {}
    assert not out.exists()


def test_hostile_ids_in_an_artifact_write_nothing(tmp_path: Path) -> None:
    path = labels_of_ids(tmp_path, "good", "../../evil")
    out = tmp_path / "a" / "out"
    out.parent.mkdir()
    before = tree(tmp_path)
    result = wsss("export", path, "-o", out)
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == (
        "wsss: error: id '../../evil': does not name a file inside the folder"
    )
    assert tree(tmp_path) == before
    rest = wsss("export", path, "-o", out, "--ids", "-", stdin="good\n")
    assert rest.exit_code == 0
    assert list(tree(out)) == ["good.png"]


def test_odd_but_honest_ids_are_kept(tmp_path: Path) -> None:
    ids = ["with space", "dots..in.it", "ünï/çødé/図", "-dash", "...", ".hidden", "a\\b", "x\ny"]
    out = tmp_path / "out"
    assert wsss("export", labels_of_ids(tmp_path, *ids), "-o", out).exit_code == 0
    assert set(tree(out)) == {f"{image_id}.png" for image_id in ids}


@given(st.lists(st.text(alphabet="a./\\~\0 é", max_size=6), min_size=1, max_size=4, unique=True))
def test_no_id_leads_outside(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    home = tmp_path_factory.mktemp("home")
    out = home / "x" / "out"
    out.parent.mkdir()
    try:
        with OutputFolder(out, ".png", ids, "run") as folder:
            for image_id in ids:
                folder.write(image_id, image_id.encode())
    except WsssError:
        assert tree(home) == {}
        return
    found = tree(home)
    assert found == {f"x/out/{image_id}.png": image_id.encode() for image_id in ids}


def test_ids_that_need_one_place_are_refused(tmp_path: Path) -> None:
    path = labels_of_ids(tmp_path, "a", "a.png/b")
    result = wsss("export", path, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "'a.png' would be a file and the folder of 'a.png/b.png'" in result.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(WsssError, match="two ids need one file"):
        OutputFolder(tmp_path / "out", ".png", ["a", "a"], "run")


@pytest.mark.parametrize("force", [False, True])
def test_names_that_the_file_system_takes_for_one_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    folder = OutputFolder(tmp_path / "out", ".png", ["A", "a"], "run", force=force)
    folder.write("A", b"first")
    # what a file system without case would do: the other name finds the same file
    os.link(tmp_path / "out/A.png", tmp_path / "out/a.png")
    with pytest.raises(WsssError, match="another file of this name"):
        folder.write("a", b"second")
    assert (tmp_path / "out/A.png").read_bytes() == b"first"


def test_links_inside_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0.png").write_bytes(b"precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").symlink_to(outside, target_is_directory=True)
    path = labels_of_ids(tmp_path, "a/0", "b/0")
    for options in ([], ["--force"]):
        result = wsss("export", path, "-o", out, *options)
        assert result.exit_code == 3
        assert f"{out / 'a'}: is a link, which is not followed" in result.stderr
    (out / "a").unlink()
    (out / "a").symlink_to(tmp_path / "nowhere")  # a dangling one neither
    assert wsss("export", path, "-o", out, "--force").exit_code == 3
    assert tree(outside) == {"0.png": b"precious"}
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_is_a_link_is_replaced_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.png").symlink_to(tmp_path / "precious")
    path = labels_of_ids(tmp_path, "x")
    assert wsss("export", path, "-o", out).exit_code == 2
    assert wsss("export", path, "-o", out, "--force").exit_code == 0
    assert not (out / "x.png").is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_the_named_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real", target_is_directory=True)
    path = labels_of_ids(tmp_path, "a/x")
    assert wsss("export", path, "-o", tmp_path / "out").exit_code == 0
    assert list(tree(tmp_path / "real")) == ["a/x.png"]


def test_existing_files_are_refused_without_force(tmp_path: Path) -> None:
    path = labels_of_ids(tmp_path, "x", "y")
    out = tmp_path / "out"
    out.mkdir()
    (out / "y.png").write_bytes(b"mine")
    (out / "other.txt").write_bytes(b"mine too")
    result = wsss("export", path, "-o", out)
    assert result.exit_code == 2
    assert "1 of 2 files exist already, first 'y.png'" in result.stderr
    assert tree(out) == {"other.txt": b"mine too", "y.png": b"mine"}
    assert wsss("export", path, "-o", out, "--force").exit_code == 0
    assert set(tree(out)) == {"other.txt", "x.png", "y.png"}
    assert tree(out)["x.png"] == tree(out)["y.png"]
    assert tree(out)["other.txt"] == b"mine too"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    path = labels_of_ids(tmp_path, "a/x")
    (tmp_path / "file").write_bytes(b"")
    result = wsss("export", path, "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "is a file, --out names a folder" in result.stderr
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_bytes(b"")
    result = wsss("export", path, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "is a file where a folder is needed" in result.stderr
    result = wsss("export", path, "-o", tmp_path / "no" / "parent")
    assert result.exit_code == 3
    assert not (tmp_path / "no").exists()


def test_a_full_disk_leaves_whole_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = labels_of_ids(tmp_path, "a", "b", "c")
    out = tmp_path / "out"
    calls = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        result = wsss("export", path, "-o", out)
    assert result.exit_code == 3
    assert f"{out / 'b.png'}: cannot be written (No space left on device)" in result.stderr
    assert "free some space and run the same command again" in result.stderr
    assert sorted(tree(out)) == [".wsss.png.partial", "a.png"]
    before = (out / "a.png").stat().st_ino
    assert wsss("export", path, "-o", out).exit_code == 0
    assert sorted(tree(out)) == ["a.png", "b.png", "c.png"]
    assert (out / "a.png").stat().st_ino == before


def test_what_a_killed_run_left_is_cleaned(tmp_path: Path) -> None:
    path = labels_of_ids(tmp_path, "a")
    out = tmp_path / "out"
    out.mkdir()
    for name in (".wsss.12-0a.tmp", ".wsss-12.tmp", ".mine-12.tmp", "wsss.12.tmp"):
        (out / name).write_bytes(b"half")
    assert wsss("export", path, "-o", out).exit_code == 0
    assert set(tree(out)) == {"a.png", ".mine-12.tmp", "wsss.12.tmp"}


def test_a_killed_export_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    ids = [f"i/{number}" for number in range(5)]
    path = labels_of_ids(tmp_path, *ids)
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert wsss("export", path, "-o", whole).exit_code == 0
    kill_after_files(3, "export", path, "-o", out)
    assert len(list(out.rglob("*.png"))) == 3
    (out / "mine.txt").write_bytes(b"mine")
    other = wsss("export", path, "-o", out, "--ids", "-", stdin="i/3\ni/4\n")
    assert other.exit_code == 3
    assert "holds the unfinished work of another run" in other.stderr
    again = wsss("export", path, "-o", out)
    assert (again.exit_code, again.stderr) == (0, f"export: 5 files -> {out}\n")
    assert tree(out) == {**tree(whole), "mine.txt": b"mine"}
    assert "5 of 5 files exist already" in wsss("export", path, "-o", out).stderr


def test_unknown_ids_are_refused(tmp_path: Path) -> None:
    path = labels_of_ids(tmp_path, "a")
    result = wsss("export", path, "-o", tmp_path / "out", "--ids", "-", stdin="b\n")
    assert result.exit_code == 3
    assert not (tmp_path / "out").exists()
