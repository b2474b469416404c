"""wsss: weakly supervised segmentation as composable command-line stages."""

__version__ = "0.1.0"
