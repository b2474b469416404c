"""Draw the rooms of the package and what imports what: docs/rooms.svg.

    python docs/rooms.py            prints lines, files and imports by room

`docs/generate.py` writes the picture; a test compares, so it cannot go stale.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wsss_cli"
# Floors from the roof down, as import-linter's layers in pyproject.toml, and what a room is for.
FLOORS: list[dict[str, str]] = [
    {"cli": "the program; errors become exit codes"},
    {"commands": "one file a command: options, open, loop, write"},
    {"planning": "plan and slurm: the chain, measured and as scripts"},
    {"methods": "COMMAND/NAME: one file or folder a method"},
    {"inference": "photographs through networks", "report": "sheets, tables, pages"},
    {"training": "the loop, data, checkpoints, probes", "scoring": "protocols and counts"},
    {"options": "options and cards, declared once"},
    {"formats": "other people's files", "nets": "networks"},
    {"machine": "cores, memory, devices", "artifacts": "our files"},
    {"core": "the methods as functions of arrays", "errors": "one error class", "console": "talk"},
]
ROOF = ("__main__", "timed")  # start the program; no room
WIDTH, HEIGHT, GAP, LEFT = 800, 66, 14, 20


@dataclass(frozen=True)
class Module:
    """A module: its dotted name below the package, its lines, and the modules it imports."""

    name: str
    lines: int
    imports: frozenset[str]

    @property
    def room(self) -> str:
        """The first part of its name."""
        return self.name.split(".")[0]


def modules() -> list[Module]:
    """All modules of the package, by name."""
    paths = {path: _name(path) for path in sorted(PACKAGE.rglob("*.py"))}
    known = set(paths.values())
    return [
        Module(name, len(path.read_text("utf-8").splitlines()), frozenset(_imports(path, known)))
        for path, name in paths.items()
        if name
    ]


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, known: set[str]) -> Iterator[str]:
    """Modules that a file imports, inside functions too."""
    package = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
        for alias in node.names:
            for name in (".".join(filter(None, [*base, alias.name])), ".".join(filter(None, base))):
                if name in known:
                    if name:
                        yield name
                    break


def arrows(found: list[Module]) -> Counter[tuple[str, str]]:
    """How many modules of one room import from another."""
    return Counter(
        (module.room, room)
        for module in found
        for room in {name.split(".")[0] for name in module.imports} - {module.room}
    )


def drawing() -> str:
    """The picture as SVG: floors of rooms, each with what it is for and what it imports."""
    found = [module for module in modules() if module.room not in ROOF]
    drawn = arrows(found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 2 * LEFT}" '
        f'height="{len(FLOORS) * (HEIGHT + GAP) + GAP + 18}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="{GAP}" font-size="12" fill="#556677">imports run downward only; '
        "all may import errors and console</text>",
    ]
    for room, (x, y, width) in _places().items():
        own = [module for module in found if module.room == room]
        size = f"{len(own)} files" if len(own) > 1 else ""
        purpose = next(floor[room] for floor in FLOORS if room in floor)
        below = [to for to in _places() if (room, to) in drawn and to not in ("errors", "console")]
        imports = f"imports {', '.join(below)}" if below else ""
        rows = [
            (x + 10, y + 20, 'font-size="15" font-weight="bold"', room),
            (x + width - 10, y + 20, 'font-size="11" text-anchor="end" fill="#556677"', size),
            (x + 10, y + 39, 'font-size="12"', purpose),
            (x + 10, y + 57, 'font-size="11" fill="#2c5f8a"', imports),
        ]
        parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="6" fill="#eef3f8" '
            'stroke="#446688"/>'
        )
        parts += [
            f'<text x="{a}" y="{b}" {look}>{escape(text)}</text>' for a, b, look, text in rows
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _places() -> dict[str, tuple[int, int, int]]:
    """Left, top and width of each room."""
    places = {}
    for number, floor in enumerate(FLOORS):
        width = (WIDTH - GAP * (len(floor) - 1)) // len(floor)
        for column, room in enumerate(floor):
            x, y = LEFT + column * (width + GAP), 18 + GAP + number * (HEIGHT + GAP)
            places[room] = x, y, width
    return places


if __name__ == "__main__":
    every = modules()
    total = sum(module.lines for module in every)
    for room in [room for floor in FLOORS for room in floor]:
        own = [module for module in every if module.room == room]
        size = sum(module.lines for module in own)
        print(f"{room:<10} {len(own):>4} files {size:>6} lines {100 * size / total:>5.1f} %")
    print(f"{'all':<10} {len(every):>4} files {total:>6} lines")
    for (one, other), count in sorted(arrows(every).items()):
        print(f"  {one} -> {other}: {count}")
