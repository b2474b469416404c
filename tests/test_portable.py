"""The Makefile and all scripts keep to bash 3.2, GNU make 3.81 and the tools of macOS and BSD.

Their own tests run them with stand-ins for these tools (`bsd.py`). What newer versions of bash and
make have added is looked for in the text.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bsd import bsd_tools
from test_planning_scripts import PLAN

from wsss_cli.planning.chain import STAGES
from wsss_cli.planning.scripts import scripts

ROOT = Path(__file__).resolve().parent.parent

NEWER_BASH = {
    "associative arrays and names by reference": r"\b(declare|local|typeset) +-[a-z]*[Ang]",
    "mapfile": r"\b(mapfile|readarray)\b",
    "case of a variable": r"\$\{\w+(\^|,)",
    "quoting of a variable": r"\$\{\w+@",
    "&>> and |&": r"&>>|\|&",
    "coprocesses": r"\bcoproc\b",
    "wait for any": r"\bwait +-[np]",
    "whether a variable is set": r"\[\[ +(! +)?-v ",
    "dates by printf": r"%\([^)]*\)T",
    "the last item": r"\[-[0-9]+\]",
    "** of folders": r"\bglobstar\b",
    "versions' own variables": r"\bEPOCH(SECONDS|REALTIME)\b|\bBASHPID\b",
    "a descriptor of bash's choice": r"\{\w+\}[<>]",
    "falling through": r";;?&",
}
NEWER_MAKE = {
    ".ONESHELL": r"\.ONESHELL",
    "!=, ::= and :::=": r"^\w+ *(!=|::=|:::=)",
    "$(file), $(let), $(intcmp)": r"\$\((file|let|intcmp) ",
    "define with an assignment": r"^define +\S+ *[:+?]?=",
    "undefine and private": r"^(undefine|private|override undefine) ",
    "grouped targets": r"&:",
}


def found(text: str, patterns: dict[str, str]) -> list[str]:
    return [name for name, what in patterns.items() if re.search(what, text, re.MULTILINE)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("declare -A id=()", "associative arrays and names by reference"),
        ("readarray -t lines", "mapfile"),
        ("echo ${name^^}", "case of a variable"),
        ("make &>> log", "&>> and |&"),
        ("echo ${all[-1]}", "the last item"),
        ("wait -n", "wait for any"),
    ],
)
def test_what_is_newer_is_noticed(line: str, name: str) -> None:
    assert found(f"true\n    {line}\n", NEWER_BASH) == [name]


def test_scripts_keep_to_bash_3() -> None:
    made = scripts(replace(PLAN, stages=STAGES, setup=["module load x"], processes=2, at_once=2))
    texts = {name: text for name, text in made.items() if name.endswith((".sh", ".sbatch"))}
    assert len(texts) > 10
    for path in [ROOT / "Makefile", ROOT / "completions" / "wsss.bash"]:
        texts[path.name] = path.read_text()
    assert {name: found(text, NEWER_BASH) for name, text in texts.items()} == {
        name: [] for name in texts
    }


def test_the_makefile_keeps_to_make_3_81() -> None:
    text = (ROOT / "Makefile").read_text()
    assert found(text, NEWER_MAKE) == []
    # There .SHELLFLAGS is unknown: a recipe must not need the shell to stop in its midst.
    recipes = [line for line in text.splitlines() if line.startswith("\t")]
    assert len(recipes) > 20
    assert [line for line in recipes if re.search(r";|[^|]\|[^|]", line)] == []


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("settings", [[], ["ROUNDS=2", "SHARDS=3"], ["GPUS=2", "SHARDS=2"]])
def test_make_does_the_same_with_other_tools(tmp_path: Path, settings: list[str]) -> None:
    (tmp_path / "data.h5").touch()
    (tmp_path / "wsss").touch()
    names = {"WSSS": "wsss", "DATA": "data.h5", "RUN": "run"}
    given = [f"{name}={tmp_path / file}" for name, file in names.items()]
    command = ["make", "-n", "-C", str(ROOT), "CORES=4", *given, *settings]

    def lines(path: str) -> list[str]:
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    usual = os.environ["PATH"]
    here = lines(usual)
    assert sum("train-cls" in line for line in here) > 0
    assert lines(f"{bsd_tools(tmp_path / 'bsd')}:{usual}") == here


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("setting", ["SHARDS=0", "SHARDS=two", "ROUNDS=-1", "GPUS=1.5", "ROUNDS="])
def test_a_number_that_is_none_is_refused(setting: str) -> None:
    done = subprocess.run(["make", "-n", "-C", str(ROOT), setting], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{setting}: is no number of {setting.partition('=')[0].lower()}" in done.stderr.replace(
        "GPUs", "gpus"
    )
