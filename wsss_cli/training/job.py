"""What the three training stages share beside their options: the run itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import log, warn
from ..errors import WsssError
from ..machine.devices import resolve_device, resolve_precision
from ..options.training import Recipe, Setting
from .talk import Talk
from .taught import Measure, note_taught

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from ..artifacts.provenance import Source
    from .checkpoint import Checkpoint
    from .compute import Compute
    from .data import Load
    from .losses import Loss
    from .schedule import Schedule
    from .team import Team


@dataclass
class Job:
    """What a training stage trains, whatever the recipe and the machine.

    Attributes:
        name: of the command.
        kind: of the weights it makes.
        out: where they go.
        model: on the CPU, initialised.
        config: what the network is rebuilt from.
        params: all options that change the numbers, beside the recipe's.
        classes: names.
        inputs: artifacts that are read.
        ids: training images.
        load: makes the sample of an id.
        loss: of outputs and batch.
        grouping: of the parameters, as `nets.parameters.parameter_groups` takes it.
        start: first touches to the fresh model.
        measure: figures of the model after an epoch.
        val_every: epochs between two measurements; 0 for none.
        after: what else to do after an epoch that is measured, given its number.
        finish: last touches to the trained model.
        schedule: of the rates over the run, of its steps and those of warm-up; poly by default.
        nesterov: take SGD's momentum that way.
        keyed: samples know their epoch and index.
        extra: tensors beside the model's that are part of the run's state.
    """

    name: str
    kind: str
    out: Path
    model: nn.Module
    config: dict[str, Any]
    params: Mapping[str, Any]
    classes: Sequence[str]
    inputs: Sequence[Source]
    ids: Sequence[str]
    load: Load
    loss: Loss
    grouping: Mapping[str, Any] = field(default_factory=dict)
    start: Callable[[Any, Compute], None] | None = None
    measure: Measure | None = None
    val_every: int = 1
    after: Callable[[nn.Module, Compute, int], None] | None = None
    finish: Callable[[Any, Compute], None] | None = None
    schedule: Callable[[int, int], Schedule] | None = None
    nesterov: bool = False
    keyed: bool = False
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    def groups(self, recipe: Recipe) -> list[dict[str, Any]]:
        """The optimiser's groups."""
        from ..nets.parameters import parameter_groups

        return parameter_groups(
            self.model, recipe.lr, recipe.weight_decay, recipe.head_multiplier, **self.grouping
        )

    def optimizer(self, recipe: Recipe) -> Optimizer:
        """SGD over the groups."""
        import torch

        return torch.optim.SGD(
            self.groups(recipe),
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=self.nesterov and recipe.momentum > 0,
        )


@contextmanager
def begin(out: Path, recipe: Recipe, setting: Setting, fewest_epochs: int = 1) -> Iterator[Team]:
    """The processes that train, for as long as they do; refuses early what would fail late.

    Initial weights become a matter of the seed.
    """
    import torch

    from ..artifacts.writer import check_target
    from .assemble import assemble

    with assemble(resolve_device(setting.device)) as team:
        recipe.check(fewest_epochs)
        resolve_precision(setting.precision, team.device)
        check_target(out, setting.force, goes_on=True)
        torch.manual_seed(setting.seed)
        yield team


def train(
    job: Job,
    recipe: Recipe,
    setting: Setting,
    team: Team,
    learns: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Run a job to the end, from wherever an earlier attempt was stopped.

    Args:
        job, recipe, setting, team: what is trained, how, and where.
        learns: kinds of labels of the data set that teach, as the method's card says.

    Returns:
        the history, as it stands in the weights.
    """
    import torch

    from ..artifacts.standing import partial_path
    from ..artifacts.torch_files import read_torch
    from ..artifacts.weights import weights_run, write_torch
    from ..nets.norms import trains_statistics
    from .checkpoint import Checkpoint
    from .compute import set_up
    from .data import Plan, Samples
    from .interrupt import Interrupts
    from .loop import fit
    from .schedule import Poly

    plan = Plan(len(job.ids), recipe.batch_size, recipe.epochs, setting.seed)
    precision = team.share(resolve_precision(setting.precision, team.device).value)
    compute = set_up(plan, recipe, setting, team, precision)
    identity = _identity(job, recipe, setting.seed, precision)
    note_taught(job, learns)
    if (origin := _origin(job)) and team.leads:
        log(f"{job.name}: --backbone-weights: {origin}", setting.quiet)
    samples = Samples(job.load, job.ids, setting.seed, job.keyed)
    optimizer = job.optimizer(recipe)
    team.adapt(job.model, compute.shares)
    if team.world > 1 and team.leads and any(map(trains_statistics, job.model.modules())):
        warn("each process's batch norms see its own images only; on CUDA they see all")
    model = job.model.to(team.device).to(memory_format=torch.channels_last)
    with (
        Checkpoint(
            partial_path(job.out),
            weights_run(**identity),
            read_torch,
            write_torch,
            setting.checkpoint_every,
            restart=setting.force,
            team=team,
            extra=job.extra,
        ) as checkpoint,
        Talk(job.name, job.out, len(job.ids), plan, setting.quiet or not team.leads) as talk,
    ):
        if (finished := _finished(job, checkpoint, setting.force, team)) is not None:
            return finished
        history = fit(
            model,
            job.loss,
            lambda start: compute.batches(samples, compute.shares.deal(plan.batches(start))),
            optimizer,
            schedule=(job.schedule or Poly)(plan.steps, recipe.warmup),
            epochs=recipe.epochs,
            compute=compute,
            seed=setting.seed,
            checkpoint=checkpoint,
            report=talk,
            measure=_measure_each(job, recipe.epochs, compute),
            start=_start_once(job, compute),
        )
        with Interrupts():  # SIGTERM, like Ctrl-C, stops with a word and no lock left
            _finish(job, model, compute, identity, history)
            checkpoint.remove()
    talk.end(history)
    return history


def _finished(
    job: Job, checkpoint: Checkpoint, force: bool, team: Team
) -> list[dict[str, Any]] | None:
    """The history of weights that an earlier attempt of this run has put in place, if it has.

    It was killed before it had removed its checkpoint or lock, which is done now.

    Raises:
        UsageError: another run's weights stand there, and `force` is not given.
    """
    from ..artifacts.ledger import looking_back
    from ..artifacts.standing import exists_already, say_finished
    from ..artifacts.weights import load_weights

    found, exists = None, team.leads and job.out.exists() and not force
    if exists and not checkpoint.is_others():
        with suppress(WsssError), looking_back():
            weights = load_weights(job.out, job.kind)
            found = weights.history if weights.run == checkpoint.run else None
    found, exists = team.share((found, exists))
    if exists and found is None:
        raise exists_already(job.out)
    if found is not None:
        checkpoint.remove()
        if team.leads:
            say_finished(job.out)
    return found


def _finish(
    job: Job,
    model: nn.Module,
    compute: Compute,
    identity: Mapping[str, Any],
    history: Sequence[dict[str, Any]],
) -> None:
    """Write the weights."""
    from ..artifacts import ledger
    from ..artifacts.weights import save_weights

    if job.finish is not None:
        job.finish(model, compute)
    if compute.team.leads:
        weights = {name: t.contiguous() for name, t in model.state_dict().items()}
        save_weights(
            job.out,
            **identity,
            config=job.config,
            state_dict=weights,
            history=history,
            taught=ledger.current().taught,
        )


def _origin(job: Job) -> str:
    """Where the backbone's weights were found in a file of other people's; "" of any other."""
    return getattr(getattr(job.model, "backbone", None), "origin", "")


def _identity(job: Job, recipe: Recipe, seed: int, precision: str) -> dict[str, Any]:
    """What a run is known by: equal for two runs that must end in the same weights."""
    own: dict[str, Any] = {"seed": seed, "precision": precision}
    if origin := _origin(job):
        own["weights_found"] = origin
    return {
        "kind": job.kind,
        "params": {**job.params, **asdict(recipe), **own},
        "seed": seed,
        "classes": job.classes,
        "inputs": job.inputs,
        "ids": job.ids,
    }


def _start_once(job: Job, compute: Compute) -> Callable[[nn.Module], None] | None:
    """`job.start`, of the model alone."""
    start = job.start
    return None if start is None else lambda model: start(model, compute)


def _measure_each(
    job: Job, epochs: int, compute: Compute
) -> Callable[[nn.Module, int], dict[str, Any]] | None:
    """`job.measure` and `job.after` at the epochs they are due, undefined figures as None."""
    measure, after = job.measure, job.after
    if (measure is None and after is None) or not job.val_every:
        return None

    def figures(model: nn.Module, epoch: int) -> dict[str, Any]:
        if epoch % job.val_every and epoch != epochs:
            return {}
        found = measure(model, compute) if measure is not None else {}
        if after is not None:
            after(model, compute, epoch)
        return {name: None if math.isnan(value) else value for name, value in found.items()}

    return figures
