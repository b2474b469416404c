"""One module per command: parse, open, loop, write. Listed in the order of the chain."""

from types import ModuleType

from . import info, merge

COMMANDS: tuple[ModuleType, ...] = (merge, info)
