"""From torchrun's environment to a team, and how the processes part when one of them fails."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from ..errors import UsageError, WsssError
from .team import FAILED, INTERRUPTED, Team

PATIENCE = timedelta(hours=1)  # for the slowest process; torchrun itself notices a dead one
MEETING = timedelta(minutes=10)  # for all to start

_teams = itertools.count()  # of this process, which may run one command after another


@contextmanager
def assemble(device: torch.device) -> Iterator[Team]:
    """The team of this process, on its own device; a process that fails after another says nothing.

    Raises:
        UsageError: the environment is not torchrun's, or there is no GPU for each process.
        SystemExit: another process has failed and said why.
    """
    rank, world = _number("RANK", 0), _number("WORLD_SIZE", 1)
    if world == 1 or "RANK" not in os.environ:
        yield Team(device)
        return
    try:
        device = own_device(device)
    except UsageError as err:
        if _number("LOCAL_RANK", 0) > 0:  # this machine's first process says the same
            raise SystemExit(err.exit_code) from None
        raise
    team = _join(device, rank, world)
    done = False
    try:
        yield team
        done = True
    except KeyboardInterrupt:
        team.claim(INTERRUPTED)
        team.bid_farewell()
        raise
    except WsssError as err:
        if not team.claim(FAILED):
            raise SystemExit(err.exit_code) from None
        raise
    except BaseException:
        team.claim(FAILED)
        raise
    finally:
        if done or device.type == "cpu":  # NCCL would wait for a process that is gone
            dist.destroy_process_group()


def _join(device: torch.device, rank: int, world: int) -> Team:
    """Find the other processes."""
    # a 1 x 1 convolution's gradient is channels-last and not, which is the same: no cause to warn
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=MEETING))
    except (ValueError, RuntimeError) as err:
        raise UsageError(
            f"RANK and WORLD_SIZE are set, but the other processes were not found ({err})",
            "start them with torchrun, or unset these",
        ) from None
    name = f"{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}.{next(_teams)}"
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        store=dist.PrefixStore(f"wsss group {name}", store),
        rank=rank,
        world_size=world,
        timeout=PATIENCE,
    )
    return Team(device, rank, world, dist.PrefixStore(f"wsss team {name}", store))


def own_device(device: torch.device) -> torch.device:
    """The device of this process among those that torchrun started on this machine.

    Raises:
        UsageError: not one for each.
    """
    if device.type == "cpu":
        return device
    local, here = _number("LOCAL_RANK", -1), local_processes()
    if device.type != "cuda" or device.index is not None:
        raise UsageError(f"--device {device}: {here} processes train", "give --device cuda or cpu")
    if here > torch.cuda.device_count():
        raise UsageError(
            f"--device cuda: {here} processes for {torch.cuda.device_count()} GPUs",
            "torchrun --nproc-per-node takes the number of GPUs",
        )
    if local < 0:
        raise UsageError("RANK is set and LOCAL_RANK is not: which GPU to take?", "use torchrun")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def local_processes() -> int:
    """How many processes of the team share this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name, default))
    except ValueError:
        raise UsageError(f"{name}={os.environ[name]}: not torchrun's") from None
