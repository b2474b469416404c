"""One module per command: parse, open, loop, write. Listed in the order of the chain."""

from types import ModuleType

from . import info, make_cam, merge

COMMANDS: tuple[ModuleType, ...] = (make_cam, merge, info)
