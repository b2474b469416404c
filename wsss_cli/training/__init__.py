"""Training: lessons and jobs, the loop, data and augmentation, checkpoints, probes."""
