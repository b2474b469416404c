"""Numbers with a meaning of their own among labels, for what must not wait for NumPy to load."""

IGNORE = 255
BACKGROUND = 0
MAX_CLASSES = 254  # labels 1..254 fit in a uint8 beside background and IGNORE
