"""What a training stage does with its images, by its own options."""

from __future__ import annotations

from .chain import Stage, card_of, parse, settled


def recipe(stage: Stage, flags: str) -> dict[str, int]:
    """How often a training stage goes over its images, and how many are in memory at a time.

    Args:
        flags: options of the stage, as --flags gives them.

    Returns:
        epochs; validations: passes over the validation images; probes: passes of a head's probe
        over the others; parallel: the images in memory.
    """
    options, chosen = parse(stage, flags), settled(stage, flags)
    epochs, every = options["epochs"], options.get("val-every", 0)
    card = card_of(stage, chosen)
    return {
        "epochs": epochs,
        "validations": -(-epochs // every) if every else 0,
        "probes": int(card is not None and card.probes(chosen)),
        "parallel": -(-options["batch-size"] // options["accumulate"]),
    }
