"""YAML of which plain text, lists and mappings are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsss_cli.errors import WsssError
from wsss_cli.formats.yaml_files import MOST, read_yaml


def test_all_values_are_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("\ufeffa: no\nb: [1, 2.50, null]\nc: {0: x}\n", encoding="utf-8")
    assert read_yaml(file) == {"a": "no", "b": ["1", "2.50", "null"], "c": {"0": "x"}}


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x\n",
        "a: [\n",
        "a: 1\na: 2\n",
        "a: !!python/object:os.system x\n- b",
        "x" * (MOST + 1),
    ],
)
def test_what_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(WsssError, match=r"a\.yaml: "):
        read_yaml(file)
