"""The numbers that marks are kept by; apart from `marks`, which loads NumPy."""

KINDS = ("point", "line", "box", "polygon", "region")
POINT, LINE, BOX, POLYGON, REGION = range(len(KINDS))
IGNORED = -1  # the label of marks that say that nothing is said of these pixels
UNKNOWN = -1  # an object, rank or source that is not known

# What the rows of `Marks.table` hold, in this order.
COLUMNS = ("kind", "label", "object", "rank", "source", "rings", "runs")
