"""Laying down root's right to read and write everything, so that permissions mean something."""

from __future__ import annotations

import ctypes
import os
import sys

VERSION = 0x20080522  # of the kernel's structure, with two words a set
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2  # the rights, as in linux/capability.h


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def can_be_refused() -> bool:
    """Whether a command can be made to meet a refusal: not for root outside Linux."""
    return os.geteuid() != 0 or sys.platform == "linux"


def lay_down_rights() -> None:
    """In a child that is root: keep all rights but those. Others have none of them."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return
    libc, header, sets = ctypes.CDLL(None, use_errno=True), _Header(VERSION, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    kept = ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    sets[0].effective &= kept
    sets[0].permitted &= kept
    if libc.capset(ctypes.byref(header), sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
