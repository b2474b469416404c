"""A training step with frozen early layers, beside float32 in NCHW.

    python benchmarks/bench_train.py --json train.json [--device cuda]

Plain: the network as torch lays it out, float32; the frozen layers' parameters want no gradient.
Ours: channels-last, the frozen stages outside the graph, fixed batch norms absorbed by the
convolutions, in float32 and bfloat16.
Crops of 320, batch 8, batch norm fixed, stages 1 and 2 frozen. The checks: from the same weights
both take the same ten steps, and the last losses are compared; and classifiers of drawn scenes are
trained in float32 and in bfloat16, as train-cls does (a linear probe, then all above the frozen
stages), from several seeds, and the mean average precisions on other scenes are compared. A
difference of the means is noise up to the spread over float32's seeds, or 0.02. Random weights
learn next to nothing in so few steps; trained ones (--backbone-weights imagenet) make it a check.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from made import photograph
from measuring import median_times, options, report, target
from torch import Tensor, nn

from wsss_cli.core.classifier_metrics import mean_ap
from wsss_cli.core.images import as_tensor, batch_to_input
from wsss_cli.core.probe import linear_probe
from wsss_cli.formats.demo_scenes import CLASSES as NAMES
from wsss_cli.formats.demo_scenes import draw_scene
from wsss_cli.nets.backbones import build_backbone, load_backbone_weights
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.norms import freeze_batchnorm

BATCH, CROP, CLASSES, FROZEN, STEPS = 8, 320, 20, 2, 10
LR = 0.01
SIDE, SCENES, HELD_OUT, BATCH_OF_SCENES = 96, 256, 200, 16
SEEDS, SCENE_STEPS, SCENE_LR, LONGEST_GRADIENT = 3, 24, 0.002, 1.0
NOISE = 0.02  # of a mean average precision over HELD_OUT scenes


def make_model(name: str, weights: str) -> Classifier:
    torch.manual_seed(0)
    backbone = build_backbone(name, output_stride=16)
    load_backbone_weights(backbone, weights)
    return Classifier(backbone, CLASSES, 0.0)


def make_batch() -> dict[str, Tensor]:
    images = torch.stack([as_tensor(photograph(i, (CROP, CROP))) for i in range(BATCH)])
    tags = torch.rand(BATCH, CLASSES, generator=torch.Generator().manual_seed(0)) > 0.9
    return {"image": batch_to_input(images).contiguous(), "tags": tags.float()}


class Stepper:
    """A network, its optimiser and how it takes a step."""

    def __init__(self, name: str, weights: str, form: str, device: str) -> None:
        self.model: nn.Module = make_model(name, weights)
        backbone = self.model.backbone
        self.bf16, self.device = form == "bf16", device
        if form == "plain":
            for module in backbone.modules():  # fixed, as the published code fixes it
                if isinstance(module, nn.BatchNorm2d):
                    module.requires_grad_(False)
                    module.train = lambda mode=True, norm=module: nn.Module.train(norm, False)
            for stage in backbone.in_stages()[:FROZEN]:  # by requires_grad alone
                for module in stage:
                    module.requires_grad_(False)
        else:
            freeze_batchnorm(backbone)
            backbone.freeze_stages(FROZEN)
            self.model = self.model.to(memory_format=torch.channels_last)
        self.model = self.model.to(device).train()
        wanted = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(wanted, lr=LR, momentum=0.9)
        layout = torch.contiguous_format if form == "plain" else torch.channels_last
        batch = {name: t.to(device) for name, t in make_batch().items()}
        self.batch = {**batch, "image": batch["image"].contiguous(memory_format=layout)}

    def __call__(self) -> float:
        self.optimizer.zero_grad(set_to_none=True)
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.bf16):
            logits = self.model(self.batch["image"])
        loss = F.multilabel_soft_margin_loss(logits.float(), self.batch["tags"])
        loss.backward()
        self.optimizer.step()
        return loss.item()


def scenes(count: int, stream: int) -> tuple[Tensor, Tensor]:
    """(count, 3, SIDE, SIDE) normalised corners of drawn scenes, and their (count, C) tags."""
    images, tags = [], []
    for index in range(count):
        image, label = draw_scene(np.random.default_rng([stream, index]))
        images.append(as_tensor(image[:SIDE, :SIDE]))
        present = np.isin(range(1, len(NAMES) + 1), label[:SIDE, :SIDE])
        tags.append(torch.from_numpy(present).float())
    return batch_to_input(torch.stack(images)), torch.stack(tags)


class Learner:
    """A classifier of scenes and its training in one precision."""

    def __init__(self, name: str, weights: str, device: str, bf16: bool) -> None:
        self.device, self.bf16 = device, bf16
        self.images, self.tags = (t.to(device) for t in scenes(SCENES, 0))
        torch.manual_seed(0)
        backbone = build_backbone(name, output_stride=16)
        load_backbone_weights(backbone, weights)
        model = Classifier(backbone, len(NAMES), 0.0)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        if weights == "random":
            self.settle()
        freeze_batchnorm(backbone)
        backbone.freeze_stages(FROZEN)
        features = torch.cat(list(self.pooled(self.images)))
        weight = linear_probe(features, self.tags, decay=10.0)
        with torch.no_grad():
            model.head.weight.copy_(weight[..., None, None])

    @torch.no_grad()
    def settle(self) -> None:
        """Give random weights the batch statistics that these scenes have."""
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean over all that is seen
        self.model.train()
        for part in self.images.split(BATCH_OF_SCENES)[:4]:
            self.model.backbone(part)

    @torch.no_grad()
    def pooled(self, images: Tensor) -> Iterator[Tensor]:
        self.model.eval()
        for part in images.split(BATCH_OF_SCENES):
            yield self.model.backbone(part)[-1].mean((2, 3))

    def learn(self, seed: int) -> None:
        """Train on batches of scenes in an order of the seed's."""
        self.model.train()
        wanted = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(wanted, lr=SCENE_LR, momentum=0.9)
        order = torch.Generator().manual_seed(seed)
        for step in range(SCENE_STEPS):
            for group in optimizer.param_groups:
                group["lr"] = SCENE_LR * (1 - step / SCENE_STEPS) ** 0.9
            chosen = torch.randperm(SCENES, generator=order)[:BATCH_OF_SCENES].to(self.device)
            with torch.autocast(self.images.device.type, torch.bfloat16, enabled=self.bf16):
                logits = self.model(self.images[chosen])
            loss = F.multilabel_soft_margin_loss(logits.float(), self.tags[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(wanted, LONGEST_GRADIENT)
            optimizer.step()

    @torch.no_grad()
    def mean_ap(self) -> float:
        """On scenes that it was not trained on, in the precision that it was trained in."""
        self.model.eval()
        images, tags = scenes(HELD_OUT, 1)
        with torch.autocast(self.images.device.type, torch.bfloat16, enabled=self.bf16):
            logits = [self.model(part) for part in images.to(self.device).split(BATCH_OF_SCENES)]
        return float(mean_ap(torch.cat(logits).float().cpu().numpy(), tags.numpy()))


def compare_learning(name: str, weights: str, device: str) -> tuple[list[dict[str, Any]], str]:
    """Mean average precision after training in either precision: rows, and the check in words."""
    found: dict[str, list[float]] = {}
    for form in ("f32", "bf16"):
        fresh = Learner(name, weights, device, form == "bf16")
        found[form + " at start"] = [fresh.mean_ap()]
        found[form] = []
        for seed in range(SEEDS):
            learner = copy.deepcopy(fresh)
            learner.learn(seed)
            found[form].append(learner.mean_ap())
    means = {form: float(np.mean(values)) for form, values in found.items()}
    spread = max(found["f32"]) - min(found["f32"])
    rows = [
        {"network": name, "trained in": form, "mAP": means[form], "seeds": len(values)}
        | {"lowest": min(values), "highest": max(values)}
        for form, values in found.items()
    ]
    check = f"mAP {100 * means['f32']:.1f} in f32, {100 * means['bf16']:.1f} in bf16"
    check += f", {100 * spread:.1f} between f32's seeds"
    if abs(means["bf16"] - means["f32"]) > max(NOISE, spread):
        raise SystemExit(f"{name}: more than noise between {check}")
    return rows, check


def measure(
    name: str, weights: str, repeats: int, device: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    targets = []
    for form in ("plain", "f32", "bf16"):
        step = Stepper(name, weights, form, device)
        first = step()
        wall, cpu, _ = median_times(step, repeats, device)
        last = [step() for _ in range(STEPS - repeats - 2)][-1]
        row: dict[str, Any] = {
            "network": name,
            "form": form,
            "seconds": wall,
            "cpu seconds": cpu,
            "times faster": rows[0]["seconds"] / wall if rows else None,
            "first loss": first,
            f"loss {STEPS}": last,
        }
        rows.append(row)
        if form == "plain":
            continue
        off = abs(last - rows[0][f"loss {STEPS}"]) / first
        if off > (0.02 if form == "bf16" else 0.002):
            raise SystemExit(f"{name} {form}: the loss after {STEPS} steps differs by {off:.1%}")
        if form == "bf16":
            check = f"loss after {STEPS} steps within {100 * off:.2f} % of the first"
            learnt, maps = compare_learning(name, weights, device)
            rows += learnt
            check = f"{maps}; {check}"
            targets.append(target(f"training step, {name}", row["times faster"], 2, 3, check))
    return rows, targets


def main() -> None:
    parser = options(__doc__, threads=2)
    parser.add_argument("--backbone-weights", default="random", help="random or imagenet")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows, targets = [], []
    for name in ("mobilenet_v2", "resnet50"):
        found = measure(
            name, arguments.backbone_weights, min(arguments.repeats, 7), arguments.device
        )
        rows += found[0]
        targets += found[1]
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
