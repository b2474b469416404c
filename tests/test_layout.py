"""The house: sizes, a test for each module, no torch where answers must be instant."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from made import random_cams, write_cam

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wsss_cli"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
FILE, FUNCTION, COMMAND, BODY = 300, 60, 200, 40  # lines; a function's are those of its body

# What is larger, with its size, which may only fall. At most ten, and no command.
LARGER: dict[str, int] = {}

# Modules that no test file is named after, and where they are tested instead.
TESTED_ELSEWHERE: dict[str, str] = {
    "__main__": "test_training_team starts it, under torchrun",
    "core.box_share": "a number only; test_cli_eval_boxes goes by it",
    "core.label_numbers": "numbers only; test_core_labels goes by them",
    "core.mark_kinds": "numbers only; test_core_marks goes by them",
    "core.pamr_defaults": "numbers only; test_core_pamr runs by them",
    "core.walk_defaults": "numbers only; test_core_pseudo: the defaults are the published ones",
    "options.counting": "options only; test_cli_eval",
    "options.intervals": "options only; test_cli_eval",
    "machine.following": "test_machine_ending: no worker outlives its parent",
    "formats.readers": "a list only; test_formats_reading checks each of its cards",
}


def name_of(path: Path) -> str:
    """The module's name below the package, such as core.cam."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of each function's body, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            rest = node.body[1:] if said else node.body
            if rest:
                yield node.name, node.end_lineno - rest[0].lineno + 1  # type: ignore[operator]


def sizes() -> Iterator[tuple[str, int, int]]:
    """Name, lines and limit of all files and functions."""
    for path in MODULES:
        command = path.parent.name == "commands" and path.stem != "__init__"
        name = name_of(path) or "wsss_cli"
        yield name, len(lines_of(path)), COMMAND if command else FILE
        for function, lines in bodies(path):
            limit = BODY if command and function == "run" else FUNCTION
            yield f"{name}:{function}", lines, limit


def test_files_and_functions_stay_small() -> None:
    """A file says one thing; a function fits a screen."""
    over = {name: lines for name, lines, limit in sizes() if lines > limit}
    grown = {name: lines for name, lines in over.items() if lines > LARGER.get(name, 0)}
    assert not grown, f"split them: {grown}"
    shrunk = {name: over.get(name) for name in LARGER if over.get(name) != LARGER[name]}
    assert not shrunk, f"LARGER can fall: {shrunk}"
    assert len(LARGER) <= 10
    assert not any(name.startswith("commands.") for name in LARGER)


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def files(path: Path) -> set[str]:
    """The test files that a module may be tested in.

    A package within a room is one thing, and its modules may be tested in its file. So is a
    method with its parts; the methods of a command are several.
    """
    parts = name_of(path).split(".")
    found = {"_".join(parts)}
    if parts[0] != "methods" and len(parts) > 2:
        found.add("_".join(parts[:-1]))
    if parts[0] == "commands":
        found.add("cli_" + "_".join(parts[1:]))
    if parts[0] == "methods" and len(parts) > 2:
        found |= {f"{room}_{parts[1]}_{parts[2]}" for room in ("cli", "methods")}
    return found


def test_each_module_has_a_test_of_its_name() -> None:
    """tests/test_ROOM_NAME.py; what has none is listed with the place that tests it."""
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    named = [path for path in MODULES if path.stem != "__init__" or len(lines_of(path)) > 30]
    lacking = [name_of(path) for path in named if not any(map(tests.__contains__, files(path)))]
    assert sorted(lacking) == sorted(TESTED_ELSEWHERE)
    for place in TESTED_ELSEWHERE.values():
        for file in re.findall(r"test_\w+", place):
            assert file.removeprefix("test_") in tests, file


def test_rooms_are_those_of_the_linter() -> None:
    """The picture's floors and import-linter's layers are one list."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from rooms import FLOORS
    finally:
        sys.path.pop(0)
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    start = text.index("layers = [")
    layers = re.findall(r'^    "(.*?)",$', text[start : text.index("]", start)], re.MULTILINE)
    assert [set(layer.split(" | ")) for layer in layers[1:]] == [set(floor) for floor in FLOORS]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train-seg", "--help"],
        ["info", "data.h5"],
        ["info", "--supervision", "data.h5", "cam.h5"],
    ],
    ids=lambda words: " ".join(words),
)
def test_what_must_answer_at_once_loads_no_torch(words: list[str], tiny_data: Path) -> None:
    script = (
        "import sys\n"
        "from wsss_cli.cli import entry\n"
        f"sys.argv = ['wsss', *{words!r}]\n"
        "try:\n"
        "    entry()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
    )
    write_cam(tiny_data.with_name("cam.h5"), tiny_data, random_cams(tiny_data))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tiny_data.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_what_every_command_loads_at_its_start_is_light() -> None:
    script = (
        "import sys, wsss_cli.commands\n"
        "heavy = {'numpy', 'scipy', 'PIL', 'h5py', 'torch', 'yaml', 'roifile', 'tifffile'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_completion_loads_no_torch() -> None:
    script = (
        "import os, sys\n"
        "os.environ |= {'_WSSS_COMPLETE': 'complete_bash', 'COMP_WORDS': 'wsss train-cls --me',"
        " 'COMP_CWORD': '2'}\n"
        "from wsss_cli.cli import entry\n"
        "sys.argv = ['wsss']\n"
        "try:\n"
        "    entry()\n"
        "except SystemExit:\n"
        "    pass\n"
        "assert 'torch' not in sys.modules, 'torch was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--method" in done.stdout


# Modules that change files by themselves; all others go through `artifacts/placing.py`.
WRITERS: dict[str, str] = {
    "artifacts.placing": "it is the one place",
    "artifacts.holding": "opens what one process holds: journals, locks",
    "artifacts.journal": "cuts the torn end off its own, locked file",
    "artifacts.sink": "HDF5 has it truncate the stream that it was given",
    "artifacts.writer": "h5py writes into a Sink",
    "artifacts.weights": "torch.save writes into a stream of `placed`",
    "cli": "/dev/null in standard output's place",
    "machine.ending": "/dev/null in standard error's place",
}
# Of os, shutil and pathlib. `open` and the like are looked at for their mode.
CHANGING = {
    *("rename", "renames", "unlink", "remove", "removedirs", "rmdir", "link", "symlink", "fsync"),
    *("mkdir", "makedirs", "truncate", "ftruncate", "mkfifo", "copyfile", "copy2", "copytree"),
    *("move", "rmtree", "write_text", "write_bytes", "touch", "hardlink_to", "symlink_to"),
    *("fdopen", "chmod", "utime", "lockf", "flock"),
}
OURS = {"_journal", "checkpoint", "_expected", "handle", "compute"}  # no files nor folders


def changes(path: Path) -> Iterator[str]:
    """Calls of a module that make, change or remove files."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if {"tempfile", "shutil"} & {name.split(".")[0] for name in names}:
                yield f"{node.lineno}: import"
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else ""
        name = function.id if isinstance(function, ast.Name) else name
        owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
        said = f"{node.lineno}: {ast.unparse(function)}"
        if (name in CHANGING and owner and owner.split(".")[-1] not in OURS) or said.endswith(
            (": os.replace", ": torch.save", ": os.open")
        ):
            yield said
        elif name in ("open", "File") and owner not in ("Image", "os"):
            modes = [*node.args[:2], *(word.value for word in node.keywords if word.arg == "mode")]
            texts = [one.value for one in modes if isinstance(one, ast.Constant)]
            if any(isinstance(one, str) and re.search(r"^[rbt]*[wax+]", one) for one in texts):
                yield said


def test_one_module_writes() -> None:
    """What is written elsewhere would not be whole, nor cleaned up after a kill."""
    found = {name_of(path): list(changes(path)) for path in MODULES}
    found = {name: calls for name, calls in found.items() if calls}
    assert not {name: calls for name, calls in found.items() if name not in WRITERS}
    assert sorted(found) == sorted(WRITERS)


# How a module would ask the file system, and not `artifacts/inputs.py`, which knows zips.
ASKING = {
    *("is_dir", "is_file", "exists", "glob", "rglob", "iterdir", "walk", "scandir", "listdir"),
    *("isfile", "isdir", "lexists", "stat", "lstat", "access", "open", "read_bytes", "read_text"),
}
IN_MEMORY = {"gzip"}  # opens the bytes that it is given


def asks(source: str) -> list[str]:
    """Calls of methods and of os that ask the file system, and open itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func
            owner = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
            name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
            own = name == "open" or owner
            if name in ASKING and own and owner not in IN_MEMORY:
                found.append(f"{node.lineno}: {ast.unparse(function)}")
    return found


def test_readers_ask_inputs_and_not_the_file_system() -> None:
    """Otherwise what they read could not be in a zip."""
    code = "import os\nos.walk(x)\n(a / 'b').is_dir()\nwalk(x)\nopen(x)\ngzip.open(x)\nis_dir(x)"
    assert asks(code) == ["2: os.walk", "3: (a / 'b').is_dir", "5: open"]
    found = {
        path.name: asks(path.read_text("utf-8")) for path in (PACKAGE / "formats").glob("*.py")
    }
    assert {name: calls for name, calls in found.items() if calls} == {}
