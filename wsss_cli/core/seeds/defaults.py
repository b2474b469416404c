"""The numbers that methods of making seeds have unless told otherwise; imports nothing."""

# (low, high) of each mode of `threshold_seeds`
MODES: dict[str, tuple[float, float]] = {
    "fixed": (0.05, 0.30),
    "fraction-of-max": (0.05, 0.20),
    "quantile": (0.10, 0.20),
}
OVERLAPS = ("strongest", "smallest-first")
EVEN_SHARE = 0.5  # of the best class against the background, where both are equal
IRN_FG, IRN_BG = 0.30, 0.05
# Both as multiples of the threshold that IRN's maps of a ResNet-50 are best at, 0.2.
IRN_TIMES = {"fg": 1.5, "bg": 0.25}
PSA_ALPHA_LOW, PSA_ALPHA_HIGH = 4.0, 32.0  # the paper has 24, its code 32
SALIENCY_BELOW = 0.06  # of white; DSRG's
