"""A default that options show before anything else is loaded."""

SHARE = 0.2  # of a map's maximum, above which it shows its class (Zhou et al., CVPR 2016)
