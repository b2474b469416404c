"""Whatever a command reads, none of its outputs takes its place, with --force neither."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from made import masks_of, write_labels, write_sloping_cam, wsss
from PIL import Image
from typer.main import get_command

from wsss_cli.cli import app
from wsss_cli.commands import COMMANDS
from wsss_cli.options.annotations import hints
from wsss_cli.options.files import Reads, Writes, declared

TINY = ("--backbone", "tiny", "--backbone-weights", "random", "--crop", "32", "--epochs", "1")
FILES = re.compile("FILE|DIR|FOLDER|JSON|SOURCE")  # in the metavar of an option that names one
WAYS: dict[str, Callable[[Path, Path], None]] = {
    "symbolic": lambda file, name: name.symlink_to(file.name),
    "hard": lambda file, name: name.hardlink_to(file),
}


@pytest.mark.parametrize("module", COMMANDS, ids=lambda module: module.NAME)
def test_every_option_that_names_a_file_says_what_it_is_for(module: Any) -> None:
    marked = declared(module.run)
    parameters = {one.name: one for one in get_command(app).commands[module.NAME].params}  # type: ignore[attr-defined]
    for name, hint in hints(module.run).items():
        if name not in parameters:  # what the function returns, and Typer's context
            continue
        kind = get_args(hint)[0]
        is_path = Path in (kind, *get_args(kind)) or list[Path] in (kind, *get_args(kind))
        if is_path or FILES.search(parameters[name].metavar or ""):
            assert name in marked, f"{module.NAME} {name}: lacks Reads() or Writes()"


def pairs() -> Iterator[Any]:
    """A command, one of its inputs and one of its outputs, as they are typed, for all of them."""
    for module in COMMANDS:
        parameters = {one.name: one for one in get_command(app).commands[module.NAME].params}  # type: ignore[attr-defined]
        marks = {parameters[name]: mark for name, (mark, _) in declared(module.run).items()}
        for read, mark in marks.items():
            for written, target in marks.items():
                if not isinstance(target, Writes) or target.numbered:
                    continue  # of the numbered, other names are written: test_training_job
                if not isinstance(mark, Writes):
                    rest = [one for one in marks if one.required and one not in (read, written)]
                    yield pytest.param(
                        module.NAME,
                        (read, mark),
                        (written, target),
                        rest,
                        id=f"{module.NAME} {read.opts[-1]} {written.opts[0]}",
                    )


def words(parameter: Any, mark: Reads, value: Path) -> list[str]:
    """An option or an argument that names a file."""
    text = f"name{mark.after}{value}" if mark.after else str(value)
    return [text] if parameter.param_type_name == "argument" else [parameter.opts[0], text]


@pytest.mark.parametrize(("command", "read", "written", "rest"), list(pairs()))
def test_no_output_is_an_input(
    tmp_path: Path, command: str, read: Any, written: Any, rest: list[Any]
) -> None:
    file = tmp_path / "dear.h5"
    file.write_bytes(b"dear\n")
    others = [word for one in rest for word in words(one, Reads(), tmp_path / "other")]
    for way in ("itself", *WAYS):
        name = file if way == "itself" else tmp_path / f"{way}.h5"
        if way in WAYS:
            WAYS[way](file, name)
        before = sorted(tmp_path.iterdir())
        result = wsss(command, *words(*read, file), *words(*written, name), *others, "--force")
        assert result.exit_code == 2, result.stderr
        said = f"{name}: is an input ({file})"
        if written[1].folder:
            said = f"{name}: is a file, {written[0].opts[0]} names a folder"
        assert result.stderr.startswith(f"wsss: error: {said}"), result.stderr
        assert file.read_bytes() == b"dear\n"
        assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def cam(tiny_data: Path) -> Path:
    return write_sloping_cam(tiny_data.with_name("cam.h5"), tiny_data)


@pytest.fixture
def labels(tiny_data: Path) -> Path:
    return write_labels(tiny_data.with_name("labels.h5"), tiny_data, masks_of(tiny_data))


def refused(dear: Path, out: Path, *arguments: object) -> None:
    """Assert that a command would take the place of `dear` by writing `out`, and does not."""
    before = dear.read_bytes()
    result = wsss(*arguments, "--force", "-q")
    assert result.exit_code == 2, (arguments, result.stderr)
    assert f"{out}: is an input" in result.stderr, arguments
    assert dear.read_bytes() == before


def test_a_data_set_that_no_option_names_is_an_input(
    tiny_data: Path, cam: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    for arguments in (
        ("make-seeds", "--cam", "cam.h5", "--method", "threshold", "-o"),
        ("train-aff", "--seeds", "labels.h5", *TINY, "-o"),
        ("train-seg", "--labels", "labels.h5", *TINY, "-o"),
        ("train-cls", *TINY, "-o"),
        ("view", "cam.h5", "-o"),
        ("eval", "cam.h5", "--json"),
    ):
        refused(tiny_data, Path("data.h5"), *arguments, "data.h5")
    Path("pseudo.h5").symlink_to("labels.h5")  # what train-seg reads by default
    refused(labels, Path("pseudo.h5"), "train-seg", *TINY, "-o", "pseudo.h5")


def test_linked_images_are_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo = tmp_path / "photos" / "a.png"
    photo.parent.mkdir()
    Image.new("RGB", (8, 6)).save(photo)
    Path("t.csv").write_text("filename,labels\na.png,cat\n")
    assert wsss("pack", "--csv", "t.csv", "--images", "photos", "--link").exit_code == 0
    refused(photo, Path("photos/a.png"), "view", "--data", "data.h5", "-o", "photos/a.png")
    refused(photo, Path("photos/a.png"), "train-cls", *TINY, "-o", "photos/a.png")
    refused(
        photo,
        Path("photos/a.png"),
        *("pack", "--csv", "t.csv", "--images", "photos", "-o", "photos/a.png"),
    )


def test_saliency_maps_are_inputs(
    tiny_data: Path, cam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    for index in range(6):
        path = Path(f"grey/a/{index}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (48, 32)).save(path)
    out = Path("grey/a/0.png")
    refused(
        out, out, "make-seeds", "--cam", cam, "--method", "oaa", "--saliency", "grey", "-o", out
    )


def test_a_file_in_the_folder_written_into_is_an_input(labels: Path, tmp_path: Path) -> None:
    place = tmp_path / "out" / "a" / "0.png"
    place.parent.mkdir(parents=True)
    place.hardlink_to(labels)
    refused(labels, place, "export", labels, "-o", tmp_path / "out")


def test_a_folder_may_be_read_and_written(labels: Path, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    inside = folder / "labels.h5"
    labels.rename(inside)
    assert wsss("export", inside, "-o", folder).exit_code == 0
    assert len(list(folder.rglob("*.png"))) == 6


@pytest.mark.parametrize("suffix", [".partial", ".partial.lock"])
@pytest.mark.parametrize("way", WAYS)
def test_unfinished_work_never_takes_an_inputs_place(
    tiny_data: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, way: str
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    WAYS[way](tiny_data, Path(f"o.pt{suffix}").absolute())
    refused(tiny_data, Path(f"o.pt{suffix}"), "train-cls", *TINY, "-o", "o.pt")


def test_locks_and_journals_follow_no_link(
    tiny_data: Path, cam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_data.parent)
    Path("dear").write_text("dear")
    for out, suffix, arguments in (
        ("o.pt", ".partial.lock", ("train-cls", *TINY)),
        ("o.h5", ".partial", ("make-seeds", "--cam", "cam.h5", "--method", "threshold")),
    ):
        Path(f"{out}{suffix}").symlink_to("dear")
        result = wsss(*arguments, "-o", out, "--force")
        assert result.exit_code == 3, result.stderr
        assert "is a link, which is not followed" in result.stderr
        assert Path("dear").read_text() == "dear"
        assert not Path(out).exists()
