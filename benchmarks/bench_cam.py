"""Class activation maps of a ResNet-50, four scales and mirrored, beside one view after another.

    python benchmarks/bench_cam.py --json cam.json [--device cuda] [--backbone-weights FILE]

Plain: float32, NCHW, each scale and each mirror image by itself. Ours: `class_views`, in float32
and bfloat16. After the network, plain: 20 channels at full resolution for every view, summed and
divided by their maxima, as PSA does; ours: `fuse_views` and `normalise` of the present classes at
stride 4. For the maps to have structure, the head is a linear probe of the backbone's features of
drawn scenes, and the images are covered with such scenes. Argmax agreement, of the strongest class
or background, is over all cells of the fused maps of some images. Random weights do for the time;
for the agreement, trained ones say more (--backbone-weights imagenet, or a file).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from made import SIZE, sheet
from measuring import median_times, options, report, target
from torch import Tensor, nn

from wsss_cli.core.cam import View, fuse_views, normalise
from wsss_cli.core.grid import grid_size
from wsss_cli.core.images import to_input
from wsss_cli.core.probe import linear_probe
from wsss_cli.core.views import scaled_copies
from wsss_cli.formats.demo_scenes import CLASSES as NAMES
from wsss_cli.formats.demo_scenes import draw_scene
from wsss_cli.nets.backbones import build_backbone, load_backbone_weights
from wsss_cli.nets.classifier import Classifier
from wsss_cli.nets.folding import fold_batchnorm
from wsss_cli.nets.inference import class_views

SCALES = (0.5, 1.0, 1.5, 2.0)
CLASSES = 20
STRIDE = 4
SCENES = 120  # that the head is fitted to
IMAGES = 4  # that argmax agreement is taken over
DECAY = 0.1  # of the linear probe, as train-cls's


def make_model(weights: str, device: str) -> Classifier:
    torch.manual_seed(0)
    backbone = build_backbone("resnet50", output_stride=16)
    load_backbone_weights(backbone, weights)
    if weights == "random":
        settle(backbone)
    return Classifier(backbone, CLASSES, 0.0).eval().to(device)


@torch.no_grad()
def settle(backbone: nn.Module) -> None:
    """Have a random network behave more like a trained one.

    Its batch norms get the statistics of what they see, and its residual branches add a fifth:
    at full strength each layer enlarges the rounding errors of those before, until bfloat16
    agrees on three cells of four.
    """
    norms = {name: m for name, m in backbone.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, norm in norms.items():
        norm.momentum = None  # the mean over all that is seen
        if name.endswith("bn3"):
            nn.init.constant_(norm.weight, 0.2)
    backbone.train()
    for image in range(6):
        backbone(to_input(sheet(100 + image, (192, 192)))[None])


@torch.no_grad()
def probe_head(model: Classifier, device: str) -> None:
    """Have the head tell the classes of drawn scenes as well as these features can.

    There are fewer of them than channels, so channels repeat.
    """
    features, tags = [], []
    for seed in range(SCENES):
        image, label = draw_scene(np.random.default_rng([seed, 0]))
        features.append(model.backbone(to_input(image)[None].to(device))[-1].mean((2, 3))[0].cpu())
        tags.append(torch.tensor([bool((label == k + 1).any()) for k in range(len(NAMES))]))
    weight = linear_probe(torch.stack(features), torch.stack(tags).float(), DECAY)
    rows = torch.arange(CLASSES) % len(NAMES)
    model.head.weight.copy_(weight[rows][..., None, None])


def plain_maps(model: Classifier, copies: list[Tensor]) -> list[Tensor]:
    """One pass for each copy and each mirror image."""
    with torch.inference_mode():
        return [model.cam_logits(x[None])[0] for c in copies for x in (c, c.flip(-1))]


def views_of(
    model: Classifier, maps: list[Tensor], copies: list[Tensor], wanted: Tensor
) -> list[View]:
    """The maps of `plain_maps` as `fuse_views` takes them."""
    sizes = [(c.shape[-2], c.shape[-1]) for c in copies for _ in range(2)]
    return [
        View(one[wanted], size, model.stride, mirrored=bool(i % 2))
        for i, (one, size) in enumerate(zip(maps, sizes, strict=True))
    ]


def copies_of(image: int, device: str) -> list[Tensor]:
    """(1, 3, H_s, W_s) for each scale, normalised."""
    return [to_input(copy)[None].to(device) for copy in scaled_copies(sheet(image), SCALES, 0)]


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
    probe_head(model, device)
    copies = copies_of(0, device)
    planes = [copy[0].contiguous() for copy in copies]
    wall, cpu, expected = median_times(lambda: plain_maps(model, planes), repeats, device)
    wanted = torch.tensor([1, 3], device=device)
    rows = [{"work": "network", "form": "plain", "seconds": wall, "cpu seconds": cpu}]
    reference = views_of(model, expected, copies, wanted)
    exact = [fused(reference)]
    for image in range(1, IMAGES):
        others = copies_of(image, device)
        maps = plain_maps(model, [copy[0].contiguous() for copy in others])
        exact.append(fused(views_of(model, maps, others, wanted)))
    fast = fold_batchnorm(model.to(memory_format=torch.channels_last))
    targets = []
    for name, bf16 in (("f32", False), ("bf16", True)):

        def ours(copies: list[Tensor] = copies, bf16: bool = bf16) -> list[View]:
            kind = torch.device(device).type
            with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
                return class_views(fast, copies, True, [wanted])[0]

        wall, cpu, views = median_times(ours, repeats, device)
        others = [ours(copies_of(image, device)) for image in range(1, IMAGES)]
        found = [fused(one) for one in (views, *others)]
        difference = max((a - b).abs().max().item() for a, b in zip(found, exact, strict=True))
        agree = [labels(a) == labels(b) for a, b in zip(found, exact, strict=True)]
        same = torch.stack(agree).float().mean().item()
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
