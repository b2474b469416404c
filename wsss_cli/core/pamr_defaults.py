"""The numbers that PAMR has unless told otherwise; imports nothing."""

ITERATIONS = 10
DILATIONS = (1, 2, 4, 8, 12, 24)
STRIDE = 4  # of the published code's masks; on photographs better than 1 too
