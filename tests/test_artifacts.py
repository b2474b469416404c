"""What the command line loads before it knows what it is to do: nothing slow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wsss_cli import artifacts

SLOW = ("torch", "torchvision", "scipy", "numpy", "h5py", "PIL")


def test_the_command_line_starts_without_slow_packages() -> None:
    script = f"import sys, wsss_cli.cli; print([m for m in {SLOW} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", artifacts.__all__)
def test_every_name_is_where_it_is_said_to_be(name: str) -> None:
    assert getattr(artifacts, name) is not None


def test_another_name_is_none_of_the_package() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        artifacts.nothing  # noqa: B018
