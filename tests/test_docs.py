"""What is generated is fresh, and every command is documented."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import typer

from wsss_cli.artifacts.schema import SCHEMAS
from wsss_cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def generate() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generated()


def test_generated_files_are_fresh() -> None:
    """Help texts and completion scripts differ between Typers, so only their own is compared."""
    written_with = re.search(r"\(Typer (.*?)\)", (ROOT / "docs" / "commands.md").read_text())
    assert written_with is not None
    if written_with[1] != typer.__version__:
        pytest.skip(f"generated with Typer {written_with[1]}, this is {typer.__version__}")
    stale = [str(path) for path, text in generate().items() if path.read_text("utf-8") != text]
    assert not stale, f"run `make docs`: {stale}"


@pytest.mark.parametrize("module", COMMANDS, ids=lambda module: module.NAME)
def test_every_command_has_help_and_an_example(module: object) -> None:
    doc = module.run.__doc__  # type: ignore[attr-defined]
    assert f"Example: wsss {module.NAME}" in doc  # type: ignore[attr-defined]


CARDS = [
    (module.NAME, card)
    for module in COMMANDS
    if getattr(module.run, "select", None) is not None
    for card in module.run.select.cards.values()
]


@pytest.mark.parametrize(
    ("command", "card"), CARDS, ids=lambda value: getattr(value, "name", value)
)
def test_every_method_is_in_the_table_and_has_its_page(command: str, card: object) -> None:
    table = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    rows = [line for line in table.splitlines() if f"`--{card.by} {card.name}`" in line]  # type: ignore[attr-defined]
    assert len([row for row in rows if row.startswith(f"| `{command}` |")]) == 1
    page = card.page  # type: ignore[attr-defined]
    assert not page or (ROOT / "docs" / "methods" / f"{page}.md").is_file()


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=lambda schema: schema.name)
def test_every_kind_and_field_is_in_the_format_page(schema: object) -> None:
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    start = text.index(f"## {schema.name}, version {schema.version}")  # type: ignore[attr-defined]
    section = text[start : text.find("\n## ", start + 1)]
    for field in schema.fields:  # type: ignore[attr-defined]
        row = re.search(rf"^\| `{field.name}` \|(.*)\|$", section, re.MULTILINE)
        assert row is not None, field.name
        assert all(dtype in row[1] for dtype in field.dtypes)
        assert ("MAY" if field.optional else "MUST") in row[1]
