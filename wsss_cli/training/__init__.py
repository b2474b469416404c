"""The training loop: schedule, augmentation, resume."""
