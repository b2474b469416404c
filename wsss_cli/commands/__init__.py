"""One module per command: parse, open, loop, write. Listed in the order of the chain."""

from types import ModuleType

from . import (
    compare,
    export,
    info,
    make_cam,
    make_seeds,
    merge,
    pack,
    plan,
    predict,
    random_walk,
    slurm,
    train_aff,
    train_cls,
    train_seg,
    view,
)
from . import eval as eval_

COMMANDS: tuple[ModuleType, ...] = (
    pack,
    train_cls,
    make_cam,
    make_seeds,
    train_aff,
    random_walk,
    train_seg,
    predict,
    eval_,
    compare,
    merge,
    info,
    export,
    view,
    plan,
    slurm,
)
