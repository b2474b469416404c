"""The numbers that walks have unless told otherwise, by the published codes; imports nothing."""

from __future__ import annotations

from typing import Final, Literal

Auto = Literal["auto"]
AUTO: Final = "auto"

PSA_STRIDE, IRN_STRIDE = 8, 4  # of the grids that the published networks' affinities live on
PSA_BETA, IRN_BETA = 8.0, 10.0  # exponents of affinities
PSA_ALPHA = 16.0  # exponent of the background score that walks along
IRN_THRESHOLD = 0.25  # background score that walked classes are compared with
RADIUS = 5  # of a cell's neighbourhood, in cells
PUBLISHED_SIZE = (375, 500)  # (H, W) of most images that the published steps were chosen on
PUBLISHED_STEPS = 256  # of PSA, IRN and SEAM, on images of that size
NEAREST_BETA = 1.0  # of `nearest`: the plain mean
