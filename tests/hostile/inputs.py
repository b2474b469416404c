"""Part `inputs`: where a file is expected, a pipe, a device, a bomb; and outputs that are inputs.

The options come from what the commands declare (`options/files.py`), the files from the recipes.
"""

from __future__ import annotations

import functools
import gzip
import io
import os
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from . import child
from .judge import Finding, differences, greed, kept, manner, refusal, unfinished
from .mutations import ALLOWED, LIMIT
from .recipes import RECIPES, Recipe, recipe
from .rights import lay_down_rights
from .world import World, inputs, made

SIDE = 30_000  # of a bomb's picture, in pixels: 900 million of them in 100 KB


# Options whose file is written into scripts, and opened by the jobs that these start.
ONLY_NAMED = {("slurm scores", "--data")}


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # its own path may be longer than a socket's
        one.bind(path.name)
        os.chdir(here)


def folder(path: Path) -> None:
    path.mkdir()


def broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def nothing(path: Path) -> None:
    path.symlink_to("/dev/null")


def unreadable(path: Path) -> None:
    path.write_bytes(b"secret")
    path.chmod(0)


def png_bomb(path: Path) -> None:
    path.write_bytes(_png())


def zip_bomb(path: Path) -> None:
    path.write_bytes(_zip())


def gzip_bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(bytes(1 << 26)) * 64)  # 4 GB of zeros


@functools.cache
def _png() -> bytes:
    """900 million black pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    row, packed = b"\0" * (SIDE // 8 + 1), zlib.compressobj(9)
    rows = b"".join(packed.compress(row) for _ in range(SIDE)) + packed.flush()
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@functools.cache
def _zip() -> bytes:
    """As weights are stored: a pickle of 2 GB of zeros."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("archive/data.pkl", "w", force_zip64=True) as stream:
            for _ in range(128):
                stream.write(bytes(1 << 24))
        archive.writestr("archive/version", "3\n")
    return held.getvalue()


ODD: tuple[Callable[[Path], None], ...] = (
    fifo, unix_socket, folder, broken_link, link_to_itself, endless, nothing, unreadable,
    png_bomb, zip_bomb, gzip_bomb,
)  # fmt: skip


def names() -> list[str]:
    """Recipes; their cases are numbered in a random order."""
    return [one.name for one in RECIPES if one.reads]


def attempt(world: World, name: str, number: int, random: Random) -> Iterator[Finding]:
    """One odd file, or one output that is an input."""
    what = recipe(name)
    cases = [*_replaced(what), *_added(what), *_outputs(what)]
    Random(name).shuffle(cases)
    how, *case = cases[number % len(cases)]
    place = world.fresh(what)
    told, words, said = how(what, place, *case)
    before = inputs(place, what)
    already = set(os.listdir(place))
    outcome = child.forked(words, place, limit=LIMIT, before=lay_down_rights)
    found = [*manner(outcome), *greed(outcome, world.whole(what).outcome)]
    found += kept(before, place, what)
    if outcome.code == 0 and (what.name, *case[:1]) not in ONLY_NAMED:
        # A data set that no word names is found by a record, which has a second place for it.
        recorded = case[:1] == ["data.h5"] and not any("data.h5" in word for word in words)
        if not recorded or list(differences(world.whole(what).made, made(place, what))):
            found.append(Finding("misread", "exit code 0"))
    elif outcome.code in (2, 3):
        found += refusal(outcome, said)
        left = unfinished(place, what, ALLOWED)
        found += [one for one in left if one.text.split()[-1].split("/")[0] not in already]
    for finding in found:
        yield Finding(finding.kind, f"{told}: {finding.text}")
    world.drop(place)


Case = tuple[Any, ...]


def _replaced(what: Recipe) -> Iterator[Case]:
    """Each file that the recipe reads, and one file in each folder of them."""
    for name in what.reads.split():
        for odd in ODD:
            yield _replace, name, odd


def _replace(what: Recipe, place: Path, name: str, odd: Callable[[Path], None]) -> Any:
    path = place / name
    if path.is_dir() and odd not in (fifo, unix_socket, broken_link, nothing, unreadable):
        path = sorted(one for one in path.rglob("*") if one.is_file())[0]
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    odd(path)
    short = path.relative_to(place)
    said = {path.name, name} | ({f"{path.parent.name}/{path.stem}"} if name != path.name else set())
    return f"{what.name}: {short} is {odd.__name__}", what.words, said


def _added(what: Recipe) -> Iterator[Case]:
    """Each option that names an input and that the recipe does not use."""
    for option, mark, _ in _options(what.command):
        if not _writes(mark) and option not in what.words:
            for odd in (fifo, folder, broken_link, endless):
                yield _add, option, mark.after, odd


def _add(what: Recipe, place: Path, option: str, after: str, odd: Callable[[Path], None]) -> Any:
    odd(place / "odd")
    words = [*what.words, option, f"name{after}odd" if after else "odd"]
    return f"{what.name} {option} {odd.__name__}", words, ()


def _outputs(what: Recipe) -> Iterator[Case]:
    """Each output under another name of each input, with --force."""
    for option, mark, spelled in _options(what.command):
        if _writes(mark) and not mark.folder and not mark.numbered:
            for name in what.reads.split():
                for way in ("hard", "symbolic", "relative", "case"):
                    yield _output, option, spelled, name, way


def _output(
    what: Recipe, place: Path, option: str, spelled: tuple[str, ...], name: str, way: str
) -> Any:
    source = place / name
    if source.is_dir():
        source = sorted(one for one in source.rglob("*") if one.is_file())[0]
    target = source.with_name(f"{way}{source.suffix}")
    if way == "hard":
        target.hardlink_to(source)
    elif way == "symbolic":
        target.symlink_to(source.name)
    elif way == "case" and source.with_name(source.name.upper()).exists():
        target = source.with_name(source.name.upper())
    else:
        target = source.parent / ".." / source.parent.name / source.name
    short = os.path.relpath(place) if target is None else os.path.join(
        os.path.relpath(target.parent, place), target.name
    )  # fmt: skip
    if way in ("relative", "case") and target.name == source.name:
        short = os.path.join("..", place.name, source.relative_to(place))
    words = list(what.words)
    given = next((one for one in spelled if one in words), None)
    if given:
        words[words.index(given) + 1] = short
    else:
        words += [option, short]
    return f"{what.name} {option} {short}", [*words, "--force"], ()


def _writes(mark: Any) -> bool:
    from wsss_cli.options.files import Writes

    return isinstance(mark, Writes)


@functools.cache
def _options(command: str) -> list[tuple[str, Any, tuple[str, ...]]]:
    """Options that name files, as typed, with what is declared of them and all spellings."""
    from typer.main import get_command

    from wsss_cli.cli import app
    from wsss_cli.commands import COMMANDS
    from wsss_cli.options.files import declared

    module = next(one for one in COMMANDS if command == one.NAME)
    parameters = {one.name: one for one in get_command(app).commands[command].params}  # type: ignore[attr-defined]
    return [
        (parameters[name].opts[0], mark, tuple(parameters[name].opts))
        for name, (mark, _) in declared(module.run).items()
        if parameters[name].param_type_name == "option"
    ]
