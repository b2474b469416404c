"""On what a command computes: the options of every command that has a network look at images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..machine.devices import Precision
from .shared import Device, Workers

if TYPE_CHECKING:
    from ..machine.place import Place


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Device, arithmetic, and how many help."""

    precision: Annotated[
        Precision,
        typer.Option("--precision", help="Number type that the network's convolutions compute in."),
    ] = Precision.f32
    device: Device = "auto"
    workers: Workers = None

    def place(self) -> Place:
        """Where networks compute, made ready.

        Raises:
            UsageError: no such device here, or not this precision on it.
        """
        from ..machine.devices import resolve_device, resolve_precision
        from ..machine.place import Place
        from ..machine.precision import autocast_type

        device = resolve_device(self.device)
        return Place(device, autocast_type(resolve_precision(self.precision, device).value))
