"""How a network wants the values of its images: they are data of each backbone."""

from __future__ import annotations

from dataclasses import dataclass

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """RGB / 255, minus a mean, over a deviation.

    Attributes:
        mean, std: of red, green, blue, in 0..1; std above 0.
    """

    mean: Triple
    std: Triple

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(0 <= value <= 1 for value in values):
                raise ValueError(f"{name} {values}: three numbers in 0..1")
        if min(self.std) <= 0:
            raise ValueError(f"std {self.std}: must be above 0")

    def change_from(self, other: Normalisation) -> tuple[Triple, Triple]:
        """Scale and shift of each colour that make values of this normalisation of other ones.

        >>> Normalisation((0.5,) * 3, (0.5,) * 3).change_from(Normalisation((0.0,) * 3, (1.0,) * 3))
        ((2.0, 2.0, 2.0), (-1.0, -1.0, -1.0))
        """
        red, green, blue = (
            (theirs / ours, (before - now) / ours)
            for before, theirs, now, ours in zip(
                other.mean, other.std, self.mean, self.std, strict=True
            )
        )
        return (red[0], green[0], blue[0]), (red[1], green[1], blue[1])


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
