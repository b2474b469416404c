"""The command line as a whole: help without torch, exit codes, completion, no tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wsss_cli import __version__
from wsss_cli.cli import app
from wsss_cli.commands import COMMANDS
from wsss_cli.errors import WsssError

CHAIN = ["pack", "train-cls", "make-cam", "make-seeds", "train-aff", "random-walk"]
CHAIN += ["train-seg", "predict", "eval", "compare", "merge", "info", "export", "view", "plan"]
CHAIN += ["slurm"]


def test_the_commands_are_those_of_the_chain_in_its_order() -> None:
    assert [module.NAME for module in COMMANDS] == CHAIN
    listed = CliRunner().invoke(app, ["--help"]).stdout
    places = [listed.index(f"\n  {name} ") for name in CHAIN]
    assert places == sorted(places)


@pytest.mark.parametrize("name", CHAIN)
def test_help_and_an_unknown_option(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"])
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "Example: wsss" in shown.stdout
    refused = CliRunner().invoke(app, [name, "--nonsense"])
    assert refused.exit_code == 2
    assert "No such option" in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(("given", "expected"), [(None, "128"), ("32", "32")])
def test_onednns_cache_is_bounded_unless_the_user_says_how(
    given: str | None, expected: str
) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    environment = {key: value for key, value in os.environ.items() if key != name}
    environment |= {name: given} if given else {}
    script = f"import os, wsss_cli.cli; print(os.environ[{name!r}])"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.stdout == f"{expected}\n", done.stderr


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"wsss {__version__}\n"


def test_help_and_completion_do_not_import_torch() -> None:
    script = (
        "import sys\n"
        "from wsss_cli.cli import app\n"
        "try:\n    app(sys.argv[1:], prog_name='wsss')\n"
        "finally:\n"
        "    heavy = {'torch', 'torchvision', 'h5py', 'scipy', 'PIL', 'rich'} & set(sys.modules)\n"
        "    print('HEAVY', sorted(heavy))\n"
    )
    for name in CHAIN:
        done = subprocess.run(
            [sys.executable, "-c", script, name, "--help"], capture_output=True, text=True
        )
        assert done.stdout.endswith("HEAVY []\n"), (name, done.stdout[-200:], done.stderr[-500:])
    environment = {
        **os.environ,
        "_WSSS_COMPLETE": "complete_bash",
        "COMP_WORDS": "wsss make-",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert done.stdout.splitlines() == ["make-cam", "make-seeds", "HEAVY []"]


def test_our_errors_are_one_line_and_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["info", "none.h5"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "wsss: error: none.h5: no such file\n"

    import wsss_cli.artifacts

    def fail(*args: object) -> None:
        raise WsssError("x.h5: wrong", "do this", exit_code=7)

    monkeypatch.setattr(wsss_cli.artifacts, "open_artifact", fail)
    result = CliRunner().invoke(app, ["info", "x.h5"])
    assert (result.exit_code, result.stderr) == (
        7,
        "wsss: error: x.h5: wrong\nwsss: hint: do this\n",
    )


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (MemoryError(), ["wsss: error: not enough memory", "wsss: hint: fewer --workers"]),
        (OSError(24, "Too many open files"), ["wsss: error: too many open files", "wsss: hint: "]),
        (OSError("AF_UNIX path too long"), ["wsss: error: the path of TMPDIR", "wsss: hint: "]),
        (OSError(104, "Connection reset"), ["wsss: error: Connection reset"]),
        (BrokenPipeError(32, "Broken pipe"), ["wsss: error: Broken pipe"]),
        (OSError(5, "Input/output error", "x.h5"), ["wsss: error: x.h5: Input/output error"]),
    ],
    ids=str,
)
def test_errors_of_the_machine_are_not_laid_at_standard_outputs_door(
    monkeypatch: pytest.MonkeyPatch, error: Exception, lines: list[str]
) -> None:
    import wsss_cli.artifacts

    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(wsss_cli.artifacts, "open_artifact", fail)
    result = CliRunner().invoke(app, ["info", "x.h5"])
    assert (result.exit_code, result.stdout) == (3, "")
    said = result.stderr.splitlines()
    assert len(said) == len(lines)
    assert all(line.startswith(start) for line, start in zip(said, lines, strict=True)), said


@pytest.mark.skipif(os.name == "nt", reason="another shell")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_whoever_has_read_enough_hears_no_complaint(unbuffered: str, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    command = f"{sys.executable} -m wsss_cli --help 2>{errors} | true; cat {errors}"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["make-cam", "--weights", "none.pt"],
        ["make-seeds", "--cam", "none.h5"],
        ["train-cls", "--data", "none.h5", "--backbone-weights", "random"],
        ["train-aff", "--seeds", "none.h5", "--backbone-weights", "random"],
        ["random-walk", "--cam", "none.h5", "--weights", "none.pt"],
        ["train-seg", "--labels", "none.h5", "--backbone-weights", "random"],
        ["predict", "--weights", "none.pt", "none.jpg"],
        ["eval", "none.h5"],
        ["merge", "none.h5", "-o", "out.h5"],
        ["info", "none.h5"],
        ["export", "none.h5", "-o", "out"],
        ["view", "none.h5", "--data", "none.h5"],
        ["pack", "--voc", "none"],
        ["plan", "--data", "none.h5"],
        ["slurm", "none.h5"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_missing_input_is_one_line_and_leaves_nothing(
    arguments: list[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # type: ignore[arg-type]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("wsss: error: ")]
    assert len(errors) == 1
    assert "none" in errors[0]
    assert os.listdir() == []
