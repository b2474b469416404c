"""Programs as macOS and BSD have them: without what only GNU's take, so that scripts do without."""

from __future__ import annotations

import shutil
from pathlib import Path

# What a stand-in refuses, as patterns of one of its words.
REFUSED = {
    "cat": "--*",
    "cmp": "--*",
    "cp": "--*",
    "cut": "--*",
    "date": "--*|-d|-d*|-I*",
    "env": "--*|-S*",
    "grep": "-P|-*P|--perl-regexp",
    "head": "--*|-n-*|-c-*|-[0-9]*[a-z]",
    "ls": "--*",
    "mkdir": "--*",
    "mv": "--*|-T|-t",
    "paste": "--*",
    "readlink": "--*|-f|-e|-m",
    "rm": "--*",
    "sed": "--*|-i|-r|-z|-s",
    "sort": "--*|-V|-R|-z",
    "stat": "--*|-c|-c*",
    "tail": "--*",
    "touch": "--*|-d",
    "tr": "--*",
    "wc": "--*",
    "xargs": "--*|-d|-d*|-r|-a",
}
ABSENT = ("nproc", "realpath", "seq", "setsid", "sha256sum", "shuf", "tac", "timeout")

STAND_IN = """#!/bin/bash
for word; do
    case $word in
        {refused}) echo "{name}: illegal option -- $word" >&2; exit 64 ;;
    esac
done
exec {program} "$@"
"""

# Where no step is given, FreeBSD's and macOS' counts down from a first that is above the last.
SEQ = """#!/bin/bash
first=1 last=$1
(( $# == 1 )) || first=$1 last=$2
step=$(( first <= last ? 1 : -1 ))
for (( i = first; step * i <= step * last; i += step )); do echo "$i"; done
"""


def bsd_tools(folder: Path) -> Path:
    """Put stand-ins into a new folder, to stand first on PATH; returns it."""
    folder.mkdir()
    for name in ABSENT:
        _program(folder / name, f'#!/bin/bash\necho "{name}: command not found" >&2\nexit 127\n')
    for name, refused in REFUSED.items():
        program = shutil.which(name)
        if program is not None:
            text = STAND_IN.format(name=name, refused=refused, program=program)
            _program(folder / name, text)
    _program(folder / "seq", SEQ)
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
