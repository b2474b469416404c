"""A training step with frozen early layers, beside float32 in NCHW.

    python benchmarks/bench_train.py --json train.json [--device cuda]

Plain: the network as torch lays it out, float32; the frozen layers' parameters want no gradient.
Ours: channels-last, the frozen stages outside the graph, fixed batch norms absorbed by the
convolutions, in float32 and bfloat16.
Crops of 320, batch 8, batch norm fixed, stages 1 and 2 frozen. The check: from the same weights
both take the same ten steps; the last losses are compared.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from made import photograph
from measuring import median_times, options, report, target
from torch import Tensor, nn

from wsss_cli.core.images import as_tensor, batch_to_input
from wsss_cli.nets.backbones import build_backbone, load_backbone_weights
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.norms import freeze_batchnorm

BATCH, CROP, CLASSES, FROZEN, STEPS = 8, 320, 20, 2, 10
LR = 0.01


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
            for stage in backbone.stages()[:FROZEN]:  # by requires_grad alone
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
