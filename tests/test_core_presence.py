"""The numbers that decide which classes an image is found to hold."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from wsss_cli.cli import app
from wsss_cli.core.presence import PresenceRule


def test_the_published_rule_is_the_default_and_help_tells_it() -> None:
    rule = PresenceRule()
    assert (rule.min_class, rule.background_power) == (0.1, 3.0)
    text = " ".join(CliRunner().invoke(app, ["predict", "--help"]).stdout.split())
    for name, value in (("--min-class", 0.1), ("--background-power", 3.0)):
        own = text[text.index(f"{name} <float range>") :]
        assert own[own.index("Default: ") :].startswith(f"Default: {value}.")


def test_it_loads_no_torch() -> None:
    script = "import sys, wsss_cli.core.presence; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
