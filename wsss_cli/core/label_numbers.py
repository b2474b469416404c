"""The numbers that have a meaning of their own among labels; here so that NumPy need not be loaded."""

IGNORE = 255
BACKGROUND = 0
MAX_CLASSES = 254  # labels 1..254 fit in a uint8 beside background and IGNORE
