"""Class activation maps of a ResNet-50, four scales and mirrored, beside one view after another.

    python benchmarks/bench_cam.py --json cam.json [--device cuda] [--backbone-weights FILE]

Plain: float32, NCHW, each scale and each mirror image by itself. Ours: `class_views`, in float32
and bfloat16. After the network, plain: 20 channels at full resolution for every view, summed and
divided by their maxima, as PSA does; ours: `fuse_views` and `normalise` of the present classes at
stride 4. Random weights do for the time; argmax agreement is over cells of the fused maps.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from made import SIZE, photograph
from measuring import median_times, options, report, target
from torch import Tensor, nn

from wsss_cli.core.cam import View, fuse_views, normalise
from wsss_cli.core.grid import grid_size
from wsss_cli.core.images import to_input
from wsss_cli.core.views import scaled_copies
from wsss_cli.nets.backbones import build_backbone, load_backbone_weights
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.inference import class_views

SCALES = (0.5, 1.0, 1.5, 2.0)
CLASSES = 20

STRIDE = 4


def make_model(weights: str, device: str) -> Classifier:
    """With batch statistics that differ from 0 and 1, as trained ones do."""
    torch.manual_seed(0)
    backbone = build_backbone("resnet50", output_stride=16)
    load_backbone_weights(backbone, weights)
    if weights == "random":
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
    return Classifier(backbone, CLASSES, 0.0).eval().to(device)


@torch.no_grad()
def aim_head(model: Classifier, copy: Tensor) -> None:
    """Have each class respond to the features of another place, as trained classes would."""
    features = model.backbone(copy[None])[-1][0].flatten(1)
    features = features - features.mean(1, keepdim=True)
    places = torch.linspace(0, features.shape[1] - 1, CLASSES).long()
    model.head.weight.copy_(F.normalize(features[:, places].T, dim=1)[..., None, None])


def plain_maps(model: Classifier, copies: list[Tensor]) -> list[Tensor]:
    """One pass for each copy and each mirror image."""
    with torch.inference_mode():
        return [model.cam_logits(x[None])[0] for c in copies for x in (c, c.flip(-1))]


def plain_fusion(maps: list[Tensor], tags: Tensor) -> Tensor:
    """All channels of all views at full resolution, then masked and normalised."""
    total = torch.zeros((CLASSES, *SIZE), device=maps[0].device)
    for i, view in enumerate(maps):
        large = F.interpolate(view[None], size=SIZE, mode="bilinear", align_corners=False)[0]
        large = large.relu()
        total += (large.flip(-1) if i % 2 else large) * tags[:, None, None]
    return total / (total.amax(dim=(1, 2), keepdim=True) + 1e-5)


def fused(views: list[View]) -> Tensor:
    return normalise(fuse_views(views, SIZE, STRIDE))


def labels(cam: Tensor) -> Tensor:
    """(h, w) strongest class of a fused cam, 0 where below 0.2."""
    background = torch.full_like(cam[:1], 0.2)
    return torch.cat([background, cam]).argmax(0)


def network(weights: str, repeats: int, device: str) -> tuple[list[dict[str, Any]], list[Any]]:
    model = make_model(weights, device)
    copies = [to_input(c) for c in scaled_copies(photograph(0), SCALES, 0)]
    planes = [copy.contiguous().to(device) for copy in copies]
    copies = [copy[None].to(device) for copy in copies]
    aim_head(model, planes[1])
    wall, cpu, expected = median_times(lambda: plain_maps(model, planes), repeats, device)
    wanted = torch.tensor([5, 14], device=device)
    rows = [{"work": "network", "form": "plain", "seconds": wall, "cpu seconds": cpu}]
    reference = [
        View(maps[wanted], (x.shape[-2], x.shape[-1]), model.stride, mirrored=bool(i % 2))
        for i, (maps, x) in enumerate(
            zip(expected, [c for c in copies for _ in range(2)], strict=True)
        )
    ]
    exact = fused(reference)
    fast = fold_batchnorm(model.to(memory_format=torch.channels_last))
    targets = []
    for name, bf16 in (("f32", False), ("bf16", True)):

        def ours(bf16: bool = bf16) -> list[View]:
            kind = torch.device(device).type
            with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
                return class_views(fast, copies, True, [wanted])[0]

        wall, cpu, views = median_times(ours, repeats, device)
        found = fused(views)
        difference = (found - exact).abs().max().item()
        same = (labels(found) == labels(exact)).float().mean().item()
        slow = rows[0]["seconds"]
        rows.append(
            {
                "work": "network",
                "form": name,
                "seconds": wall,
                "cpu seconds": cpu,
                "times faster": slow / wall,
                "max difference": difference,
                "argmax agreement": same,
            }
        )
        least = 2.5 if bf16 else 1.4
        check = f"argmax {100 * same:.2f} %, maps within {difference:.1e}"
        targets.append(target(f"CAM {name}", slow / wall, least, 3 if bf16 else None, check))
        if not bf16 and difference > 1e-5:
            raise SystemExit(f"float32 maps differ by {difference:.1e}, more than 1e-5")
    return rows + after(expected, reference, wanted, repeats, device, targets), targets


def after(
    maps: list[Tensor],
    views: list[View],
    wanted: Tensor,
    repeats: int,
    device: str,
    targets: list[Any],
) -> list[dict[str, Any]]:
    """What follows the network: the maps of all views to the artifact's."""
    tags = torch.zeros(CLASSES, device=device)
    tags[wanted] = 1
    slow, slow_cpu, large = median_times(lambda: plain_fusion(maps, tags), repeats, device)
    fast, fast_cpu, small = median_times(lambda: fused(views), repeats, device)
    h, w = grid_size(*SIZE, STRIDE)
    centres = large[wanted][:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    difference = (centres[:, : h - 1, : w - 1] - small[:, : h - 1, : w - 1]).abs().mean().item()
    check = f"mean difference {difference:.1e} (stretched maps against aligned cells)"
    targets.append(target("CAM after the network", slow / fast, 10, None, check))
    columns = {"work": "after the network"}
    return [
        {**columns, "form": "plain", "seconds": slow, "cpu seconds": slow_cpu},
        {
            **columns,
            "form": "ours",
            "seconds": fast,
            "cpu seconds": fast_cpu,
            "times faster": slow / fast,
        },
    ]


def main() -> None:
    parser = options(__doc__, threads=2)
    parser.add_argument("--backbone-weights", default="random", help="random, imagenet or a file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows, targets = network(arguments.backbone_weights, arguments.repeats, arguments.device)
    report(rows, arguments.threads, arguments.json, targets)


if __name__ == "__main__":
    main()
