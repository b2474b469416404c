"""How many cores this process may use, and how its threads wait for each other on them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import UsageError

OF_PROCESS, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")

# What says how OpenMP's threads wait: of the standard, of GNU's library, of Intel's and LLVM's.
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def wait_politely() -> None:
    """Have OpenMP's threads sleep while they wait, unless the environment says how they wait.

    Called before torch is loaded. By itself a thread that waits for another keeps its core busy.
    Where another process takes a core, one thread lags behind and the others burn what is left;
    docs/performance.md has figures.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ["KMP_BLOCKTIME"] = "0"  # milliseconds; PASSIVE alone leaves 200 there


def free_cores() -> int:
    """The cores this process is bound to, or fewer by its control group's quota or WSSS_CORES.

    Raises:
        UsageError: WSSS_CORES is no number of cores.
    """
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        bound = os.cpu_count() or 1
    told = os.environ.get("WSSS_CORES")
    if told and (not told.isdecimal() or int(told) < 1):
        raise UsageError(f"WSSS_CORES={told}: is no number of cores")
    quota = cpu_quota()
    limits = [bound, bound if quota is None else max(1, math.ceil(quota))]
    return min([*limits, int(told)] if told else limits)


def cpu_quota(of_process: Path = OF_PROCESS, cgroups: Path = CGROUPS) -> float | None:
    """Seconds of CPU a second that the control groups grant, as `docker --cpus` sets; None for any.

    Each group of the path that a process is in may have a quota; the least holds. In a container
    the path may be the host's, whose folders are not there, and the container's own group is at
    the root.

    Args:
        of_process: its groups, one a line: hierarchy:controllers:path. Version 2 has no
            controllers.
        cgroups: where control groups are mounted.
    """
    try:
        lines = of_process.read_text().splitlines()
    except OSError:  # not Linux
        return None
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for mount in _mounts(cgroups, controllers):
            own = mount / path.lstrip("/")
            groups = [own, *own.parents]
            found += [_quota(group) for group in groups[: groups.index(mount) + 1]]
    return min((quota for quota in found if quota is not None), default=None)


def _mounts(cgroups: Path, controllers: str) -> Iterator[Path]:
    """Where a hierarchy that may limit CPU time is mounted."""
    if not controllers:
        yield cgroups
    elif "cpu" in controllers.split(","):
        yield cgroups / controllers
        if controllers != "cpu":
            yield cgroups / "cpu"


def _quota(group: Path) -> float | None:
    """Of one control group, in either version's files; None without any."""
    try:
        if (group / "cpu.max").exists():
            granted, period = (group / "cpu.max").read_text().split()
        else:
            granted = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        quota = int(granted) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # "max" is no number
        return None
    return quota if quota > 0 else None  # -1: none
