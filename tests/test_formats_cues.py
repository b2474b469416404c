"""SEC's cues: what Python 2 pickled, read without running it; seeds at image size; saliency."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import random_cams, write_cam, wsss
from PIL import Image

from wsss_cli.artifacts import LABEL, open_artifact, open_dataset
from wsss_cli.core.cam import dequantise
from wsss_cli.core.grid import upsample_grid
from wsss_cli.core.labels import IGNORE
from wsss_cli.core.seeds.oaa import oaa_labels
from wsss_cli.errors import WsssError
from wsss_cli.formats.cues import GRID, read_cues
from wsss_cli.inference.saliency import Saliency

TAGS = {0: [1], 1: [2], 2: [3], 3: [1, 2], 4: [2, 3]}


def cues_of(labels: list[int]) -> np.ndarray:
    """(3, M): background along the top; a patch of each class, the second smaller, overlapping."""
    cells = [(0, 0, column) for column in range(GRID)]
    for number, label in enumerate(labels):
        side = 6 - 3 * number
        cells += [(label, 10 + y, 10 + x) for y in range(side) for x in range(side)]
    return np.array(cells).T


def table() -> dict[str, Any]:
    found = {}
    for index, labels in TAGS.items():
        found[f"{index + 7}_labels"] = np.array(labels)
        found[f"{index + 7}_cues"] = cues_of(labels)
    return found


def write(folder: Path, content: Any, protocol: int = 2, zipped: bool = True) -> Path:
    raw = pickle.dumps(content, protocol)
    if protocol == 2:  # as Python 2 wrote it: bytes where Python 3 asks codecs for them
        raw = PYTHON2 if content is None else raw
    path = folder / "cues.gz"
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    (folder / "list.txt").write_text("".join(f"a/{i}.jpg {i + 7}\n" for i in range(5)))
    return path


# {"7_labels": array([8, 200]), "7_cues": zeros((3, 1))} in the byte strings of Python 2
_START = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
_DTYPE = (
    b"cnumpy\ndtype\nU\x02i8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
PYTHON2 = (
    b"\x80\x02}(U\x087_labels"
    + _START
    + b"K\x02\x85"
    + _DTYPE
    + b"\x89U\x10"
    + np.array([8, 200], "<i8").tobytes()
    + b"tb"
    + b"U\x067_cues"
    + _START
    + b"K\x03K\x01\x86"
    + _DTYPE
    + b"\x89U\x18"
    + bytes(24)
    + b"tbu."
)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_cues_become_cells(tmp_path: Path, protocol: int, zipped: bool) -> None:
    cues = read_cues(write(tmp_path, table(), protocol, zipped), tmp_path / "list.txt")
    assert "a/3" in cues
    assert "a/5" not in cues
    assert cues.present("a/3").tolist() == [0, 1]
    cells = cues.cells("a/3")
    assert (cells[0] == 0).all()
    assert (cells[10:13, 10:13] == 2).all()  # the smaller patch, on the larger
    assert (cells == 1).sum() == 36 - 9
    assert (cells == IGNORE).sum() == GRID * GRID - GRID - 36


def test_what_python_2_pickled(tmp_path: Path) -> None:
    cues = read_cues(write(tmp_path, None), tmp_path / "list.txt")
    assert cues.present("a/0").tolist() == [7, 199]
    assert cues.cells("a/0")[0, 0] == 0


def test_nothing_that_a_pickle_names_is_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "done"), "w")

    with pytest.raises(WsssError, match="refused"):
        read_cues(write(tmp_path, {"7_labels": Hostile()}), tmp_path / "list.txt")
    assert not (tmp_path / "done").exists()


def test_other_contents_are_refused(tmp_path: Path) -> None:
    path, names = write(tmp_path, table()), tmp_path / "list.txt"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WsssError, match="not a readable pickle"):
        read_cues(path, names)
    with pytest.raises(WsssError, match="holds no dictionary"):
        read_cues(write(tmp_path, [1]), names)
    outside = cues_of([1])
    outside[1, 0] = GRID
    for wrong in (outside, outside[:2], outside.astype(float), None):
        cues = read_cues(write(tmp_path, {**table(), "7_cues": wrong}), names)
        with pytest.raises(WsssError, match="no cues as SEC writes them for 'a/0', number 7"):
            cues.cells("a/0")
    path = write(tmp_path, table())
    for text, said in (("a/0.jpg\n", "number in each"), ("a.jpg 1\na.png 2\n", "listed twice")):
        names.write_text(text)
        with pytest.raises(WsssError, match=said):
            read_cues(path, names)
    with pytest.raises(WsssError, match="No such file"):
        read_cues(path, tmp_path / "none.txt")


def seeds(folder: Path, *options: str) -> Any:
    named = ("--cues", folder / "cues.gz", "--cues-list", folder / "list.txt")
    return wsss(
        "make-seeds",
        "--method",
        "cues",
        *named,
        "--data",
        folder / "data.h5",
        "-o",
        folder / "seeds.h5",
        "-q",
        "--force",
        *options,
    )


def test_seeds_at_image_size(tiny_data: Path) -> None:
    folder = tiny_data.parent
    write(folder, table())
    result = seeds(folder)
    assert result.exit_code == 0, result.output
    cues = read_cues(folder / "cues.gz", folder / "list.txt")
    with open_artifact(folder / "seeds.h5", LABEL) as made:
        assert made.ids == [f"a/{index}" for index in range(5)]  # the sixth has none
        for image_id in made.ids:
            item, cells = made[image_id], cues.cells(image_id)
            assert item["label"].shape == (32, 48)
            assert np.array_equal(item["present"], cues.present(image_id))
            for y, x in ((0, 0), (9, 13), (31, 47), (8, 12)):
                place = int((y + 0.5) * GRID / 32), int((x + 0.5) * GRID / 48)
                assert item["label"][y, x] == cells[place]


def test_background_where_nothing_catches_the_eye(tiny_data: Path) -> None:
    folder = tiny_data.parent
    write(folder, table())
    (folder / "eye" / "a").mkdir(parents=True)
    grey = np.full((32, 48), 15, np.uint8)  # 15 / 255 < 0.06
    grey[:, :24] = 16
    for index in range(5):
        Image.fromarray(grey).save(folder / "eye" / "a" / f"{index}.png")
    assert seeds(folder, "--saliency", str(folder / "eye")).exit_code == 0
    with open_artifact(folder / "seeds.h5", LABEL) as made:
        label = made["a/0"]["label"]
        assert made.params["saliency_below"] == 0.06
    assert (label[:, 24:] == 0).all()
    assert set(np.unique(label[:, :24])) == {1, IGNORE}
    with pytest.raises(WsssError, match="no such image"):
        Saliency(folder / "eye", 0.5).background("b", label)
    with pytest.raises(WsssError, match="saliency of"):
        Saliency(folder / "eye", 0.5).background("a/0", label[1:])


def test_oaa_labels_maps_against_saliency(tiny_data: Path) -> None:
    folder = tiny_data.parent
    write_cam(folder / "cam.h5", tiny_data, random_cams(tiny_data))
    options = ["--cam", folder / "cam.h5", "-o", folder / "oaa.h5", "-q", "--method", "oaa"]
    assert "--method oaa: needs --saliency" in wsss("make-seeds", *options).stderr
    (folder / "eye" / "a").mkdir(parents=True)
    options += ["--saliency", folder / "eye"]
    refused = wsss("make-seeds", *options)
    assert (refused.exit_code, refused.stderr.count("\n")) == (3, 1)
    assert "a/0: no such image" in refused.stderr
    assert not (folder / "oaa.h5").exists()
    rng = np.random.default_rng(0)
    for index in range(6):
        grey = rng.integers(0, 256, (32, 48)).astype(np.uint8)
        Image.fromarray(grey).save(folder / "eye" / "a" / f"{index}.png")
    assert "--saliency-below" in wsss("make-seeds", *options, "--saliency-below", "0.1").stderr
    assert wsss("make-seeds", *options).exit_code == 0
    with open_artifact(folder / "oaa.h5", LABEL) as made, open_artifact(folder / "cam.h5") as cam:
        assert set(made.params) >= {"method", "saliency"}
        assert "saliency_below" not in made.params
        for image_id in made.ids:
            item = cam[image_id]
            grey = np.array(Image.open(folder / "eye" / f"{image_id}.png"))
            scores = upsample_grid(dequantise(item["cam"]), (32, 48), int(cam.params["stride"]))
            wanted = oaa_labels(scores.numpy(), item["classes"], grey)
            assert np.array_equal(made[image_id]["label"], wanted)
            assert np.array_equal(made[image_id]["present"], item["classes"])
        first = made.run
    Image.fromarray(255 - grey).save(folder / "eye" / "a" / "5.png")
    assert wsss("make-seeds", *options, "--force").exit_code == 0
    with open_artifact(folder / "oaa.h5", LABEL) as made:
        assert made.run != first, "another saliency makes another run"


def test_what_does_not_fit_is_refused(tiny_data: Path) -> None:
    folder = tiny_data.parent
    shifted = {k: (v % 3 + 1 if k.endswith("labels") else v) for k, v in table().items()}
    write(folder, shifted)
    result = seeds(folder)
    assert result.exit_code == 3
    assert "names other classes than" in result.stderr
    write(folder, {**table(), "7_labels": np.array([1, 4])})
    assert "has label 4" in seeds(folder).stderr
    write(folder, {**table(), "7_labels": np.array([1, 2])})
    result = seeds(folder)
    assert result.exit_code == 0
    assert "1 of 5 images have other classes than their tags" in result.stderr
    write(folder, table())
    (folder / "list.txt").write_text("2007_000032.jpg 7\n")
    assert "names none of the images" in seeds(folder).stderr
    for options, said in (
        (("--crf", "psa"), "--method cues has no CRF"),
        (("--fg", "0.3"), "--fg: is of --method irn"),
        (("--saliency-below", "0.1"), "there is no --saliency"),
    ):
        result = seeds(folder, *options)
        assert result.exit_code == 2
        assert said in result.stderr
    result = wsss("make-seeds", "--cues", folder / "cues.gz", "-o", folder / "x.h5")
    assert "--cues: is of --method cues" in result.stderr
    result = wsss("make-seeds", "--method", "cues", "-o", folder / "x.h5")
    assert "needs --cues and --cues-list" in result.stderr
    with open_dataset(tiny_data) as data:
        assert data.ids[5] == "a/5"
