"""The state of an unfinished run, from which the same command goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from ..artifacts.holding import open_alone
from ..artifacts.ledger import LOCK, looking_back
from ..artifacts.placing import remove, sweep, writing
from ..artifacts.torch_files import check_plain
from ..artifacts.weights import check_state
from ..errors import WsssError
from .team import Team

FORMAT = 1
RESUME_HINT = "repeat that command to finish it, or add --force to discard it"


@dataclass
class Progress:
    """How far a run has come; with weights and optimizer, all that it depends on.

    Attributes:
        step: steps done.
        loss_sum: of the steps done in the current epoch.
        history: figures of each finished epoch.
    """

    step: int = 0
    loss_sum: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.history[-1]["epoch"] if self.history else 0


class Checkpoint:
    """Keeps the training state of one run at `path`; a context manager that holds its lock.

    Args:
        path: where the state lies until the run is finished.
        run: digest of the run; a state of another run is not continued.
        read, write: load and atomically store a dict of tensors and plain values.
        every: seconds between two saves.
        restart: begin anew where the state found is another run's, or damaged.
        team: that trains; its leader alone reads and writes. None: this process.
        extra: further tensors that are part of the state, by name; restored in place.
    """

    def __init__(
        self,
        path: Path,
        run: str,
        read: Callable[[Path], Any],
        write: Callable[[Path, Any], None],
        every: float = 60.0,
        restart: bool = False,
        team: Team | None = None,
        extra: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.extra = extra or {}
        self.path, self.run, self.every, self.restart = path, run, every, restart
        self._read, self._write = read, write
        self._team = team or Team()
        self._saved = time.monotonic()
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Checkpoint:
        if not self._team.leads:
            return self
        self._acquire()
        sweep(self.path)
        return self

    def __exit__(self, *error: object) -> None:
        if self._lock is not None:
            with suppress(WsssError):  # it stays, and the next run takes it over
                remove(self._lock_path)
            self._lock.close()
            self._lock = None

    def restore(
        self, model: nn.Module, optimizer: Optimizer, scaler: GradScaler | None = None
    ) -> Progress:
        """Bring all to where the run was left; fresh ones stay as they are.

        Raises:
            WsssError: the state is damaged or another run's, and `restart` is not set.
        """
        state = self._team.share(self._found() if self._team.leads else None)
        if state is None:
            return Progress()
        try:
            progress = _progress(state)
            _check_like(state["model"], model.state_dict())
            _check_like(state.get("extra", {}), self.extra)
            _check_optimizer(state["optimizer"], optimizer)
            optimizer.load_state_dict(state["optimizer"])
            if scaler is not None and scaler.is_enabled():
                scaler.load_state_dict(state["scaler"])
            model.load_state_dict(state["model"])
            for name, tensor in self.extra.items():
                tensor.copy_(state["extra"][name])
        except (AttributeError, LookupError, TypeError, ValueError) as err:
            if self.restart:
                return Progress()
            raise WsssError(f"{self.path}: damaged ({err})", RESUME_HINT) from None
        return progress

    def _found(self) -> dict[str, Any] | None:
        """The state that is stored, if it is this run's; with `restart`, None where it is not."""
        if not self.path.exists():
            return None
        try:
            with looking_back():
                state = self._read(self.path)
            if not isinstance(state, dict) or state.get("format") != FORMAT or "run" not in state:
                raise WsssError(f"{self.path}: not the training state of this version of wsss")
            if state["run"] != self.run:
                raise WsssError(
                    f"{self.path}: holds the unfinished training of another run "
                    "(other inputs or options)"
                )
        except WsssError as err:
            if self.restart:
                return None
            raise WsssError(str(err), RESUME_HINT) from None
        return state

    def is_others(self) -> bool:
        """Whether the stored state is another run's, or of no use to this one."""
        try:
            self._found()
        except WsssError:
            return True
        return False

    def due(self) -> bool:
        """Whether the last save is `every` seconds ago."""
        return time.monotonic() - self._saved >= self.every

    def save(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        progress: Progress,
        scaler: GradScaler | None = None,
    ) -> None:
        """Replace the stored state, whole or not at all.

        Raises:
            WsssError: the disk is full or not writable; the former state stays.
        """
        if not self._team.leads:
            return
        state = {
            "format": FORMAT,
            "run": self.run,
            "step": progress.step,
            "loss_sum": progress.loss_sum,
            "history": progress.history,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "extra": dict(self.extra),
        }
        self._write(self.path, state)
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Delete the state, once the finished weights are in place."""
        if self._team.leads:
            remove(self.path)

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + LOCK)

    def _acquire(self) -> None:
        busy = WsssError(
            f"{self.path}: another wsss process is training it",
            "wait for it, or give this one another --out",
        )
        with writing(self._lock_path):
            self._lock = open_alone(self._lock_path, busy, forks=True)


def _progress(state: Mapping[str, Any]) -> Progress:
    """Raises ValueError where it is not what `Checkpoint.save` writes."""
    step, loss_sum, history = state["step"], state["loss_sum"], state["history"]
    check_plain("history", history)
    rows = history if type(history) is list else [None]
    if not all(isinstance(row, dict) and type(row.get("epoch")) is int for row in rows):
        raise ValueError("history is no list of figures")
    if type(step) is not int or step < 0 or type(loss_sum) is not float:
        raise ValueError("step or loss_sum is no number")
    return Progress(step, loss_sum, history)


def _check_like(found: Any, wanted: Mapping[str, Tensor]) -> None:
    """Refuse other tensors before any is copied, so that a fresh model stays fresh."""
    check_state("model", found)
    other = {name: (t.shape, t.dtype) for name, t in found.items()}
    if other != {name: (t.shape, t.dtype) for name, t in wanted.items()}:
        raise ValueError("the tensors of another network")


def _check_optimizer(found: Any, optimizer: Optimizer) -> None:
    """Refuse what the optimiser would take without a word, and stumble over in its next step."""
    groups, own = found["param_groups"], optimizer.state_dict()["param_groups"]
    # a schedule notes the rate that it starts from, which a fresh optimiser has not been told
    if [set(one) - {"initial_lr"} for one in groups] != [set(one) - {"initial_lr"} for one in own]:
        raise ValueError("the groups of another optimiser")
    for group, mine in zip(groups, own, strict=True):
        if any(name in group and type(group[name]) is not type(mine[name]) for name in mine):
            raise ValueError("the groups of another optimiser")
        if group["params"] != mine["params"]:
            raise ValueError("the parameters of another optimiser")
    params = [param for group in optimizer.param_groups for param in group["params"]]
    for index, kept in found["state"].items():
        shapes = {t.shape for t in kept.values() if isinstance(t, Tensor) and t.dim()}
        if type(index) is not int or not 0 <= index < len(params):
            raise ValueError("the parameters of another optimiser")
        if shapes - {params[index].shape}:
            raise ValueError("the tensors of another optimiser")
