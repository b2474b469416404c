"""From torchrun's environment to a team, and how processes part; in one process, with stand-ins."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wsss_cli.errors import UsageError, WsssError
from wsss_cli.training import assemble as module
from wsss_cli.training.assemble import assemble, local_processes, own_device
from wsss_cli.training.team import FAILED, INTERRUPTED, Team

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def place(patch: pytest.MonkeyPatch, **values: object) -> None:
    for name, value in values.items():
        patch.setenv(name, str(value))


def enter(device: torch.device) -> None:
    with assemble(device):
        pass


def test_without_torchrun_a_process_is_alone(environment: pytest.MonkeyPatch) -> None:
    cases: list[dict[str, object]] = [{}, {"WORLD_SIZE": 2}, {"RANK": 0}]
    for values in [*cases, {"RANK": 0, "WORLD_SIZE": 1}]:
        place(environment, **values)
        with assemble(CPU) as team:
            assert (team.rank, team.world, team.device) == (0, 1, CPU)
        for name in values:
            environment.delenv(name)
    assert local_processes() == 1
    place(environment, LOCAL_WORLD_SIZE=4)
    assert local_processes() == 4


def test_numbers_that_are_none(environment: pytest.MonkeyPatch) -> None:
    place(environment, RANK=0, WORLD_SIZE="many")
    with pytest.raises(UsageError, match="WORLD_SIZE=many: not torchrun's"):
        enter(CPU)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A machine that says it has two; those made the current one."""
    current: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


def test_each_process_has_a_device_of_its_own(
    environment: pytest.MonkeyPatch, two_gpus: list[int]
) -> None:
    place(environment, LOCAL_RANK=1, LOCAL_WORLD_SIZE=2)
    assert own_device(CPU) == CPU
    assert two_gpus == []
    assert own_device(CUDA) == torch.device("cuda", 1)
    assert two_gpus == [1]


@pytest.mark.parametrize(
    ("device", "values", "said", "hint"),
    [
        ("cuda:0", {}, "--device cuda:0: 2 processes train", "give --device cuda or cpu"),
        ("mps", {}, "--device mps: 2 processes train", "give --device cuda or cpu"),
        (
            "cuda",
            {"LOCAL_WORLD_SIZE": 3},
            "--device cuda: 3 processes for 2 GPUs",
            "torchrun --nproc-per-node takes the number of GPUs",
        ),
        (
            "cuda",
            {"LOCAL_RANK": -1},
            "RANK is set and LOCAL_RANK is not: which GPU to take?",
            "use torchrun",
        ),
    ],
)
def test_devices_that_do_not_go_round(
    device: str,
    values: dict[str, int],
    said: str,
    hint: str,
    environment: pytest.MonkeyPatch,
    two_gpus: list[int],
) -> None:
    place(environment, **{"LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2, **values})
    with pytest.raises(UsageError) as caught:
        own_device(torch.device(device))
    assert (str(caught.value), caught.value.hint) == (said, hint)
    assert two_gpus == []


def test_one_process_of_a_machine_says_that_devices_do_not_go_round(
    environment: pytest.MonkeyPatch,
) -> None:
    place(environment, RANK=3, WORLD_SIZE=4, LOCAL_RANK=0, LOCAL_WORLD_SIZE=2)
    with pytest.raises(UsageError, match="2 processes train"):
        enter(torch.device("mps"))
    place(environment, LOCAL_RANK=1)
    with pytest.raises(SystemExit) as end:
        enter(torch.device("mps"))
    assert end.value.code == 2


class Member(Team):
    """One of two processes, whose claim to say why all stop is granted or not."""

    def __init__(self, told: list[Any], first: bool) -> None:
        super().__init__(CPU, 1, 2)
        self.told, self.first = told, first

    def claim(self, reason: str) -> bool:
        self.told.append(reason)
        return self.first

    def bid_farewell(self) -> None:
        self.told.append("farewell")


def parting(error: BaseException | None, first: bool, patch: pytest.MonkeyPatch) -> list[Any]:
    """What a member does when it stops for an error, and what then comes out."""
    told: list[Any] = []
    patch.setattr(module, "_join", lambda device, rank, world: Member(told, first))
    patch.setattr(module.dist, "destroy_process_group", lambda: told.append("destroyed"))
    place(patch, RANK=1, WORLD_SIZE=2, LOCAL_RANK=1)
    try:
        with assemble(CPU) as team:
            assert (team.rank, team.world) == (1, 2)
            if error is not None:
                raise error
    except BaseException as out:
        told.append(out)
    return told


def test_the_first_to_fail_says_why_and_the_others_leave_without_a_word(
    environment: pytest.MonkeyPatch,
) -> None:
    error = WsssError("no disk", exit_code=3)
    assert parting(error, True, environment) == [FAILED, "destroyed", error]
    *others, end = parting(error, False, environment)
    assert others == [FAILED, "destroyed"]
    assert isinstance(end, SystemExit)
    assert end.code == 3


def test_interrupted_ones_wait_for_the_leader_and_bugs_come_out(
    environment: pytest.MonkeyPatch,
) -> None:
    error: BaseException = KeyboardInterrupt()
    assert parting(error, False, environment) == [INTERRUPTED, "farewell", "destroyed", error]
    error = ZeroDivisionError()
    assert parting(error, False, environment) == [FAILED, "destroyed", error]
    assert parting(None, True, environment) == ["destroyed"]


def test_the_others_were_not_found(environment: pytest.MonkeyPatch) -> None:
    place(environment, RANK=1, WORLD_SIZE=2)  # and no MASTER_ADDR
    with pytest.raises(UsageError, match="the other processes were not found") as caught:
        enter(CPU)
    assert caught.value.hint == "start them with torchrun, or unset these"
