"""What a classifier cannot learn from tags, whatever its method."""

from __future__ import annotations

from collections.abc import Sequence

MANY = 2  # images; on a single one, every class is on all or on none
SHOWN = 3  # names


def unteachable(classes: Sequence[str], counts: Sequence[int], total: int) -> list[str]:
    """What to say of classes that are on every image or on none.

    Args:
        classes: names.
        counts: images that each is on.
        total: images there are.

    >>> for line in unteachable(["crack", "rust", "moss"], [3, 1, 0], 3):
    ...     print(line)  # doctest: +ELLIPSIS
    on all 3 images: crack; ...
    1 classes are on no image, first moss
    """
    named = list(zip(classes, counts, strict=True))
    said = []
    always = [name for name, count in named if count == total]
    if always and total >= MANY:
        names = ", ".join(always[:SHOWN]) + (", ..." if len(always) > SHOWN else "")
        them = "it" if len(always) == 1 else "them"
        said.append(
            f"on all {total} images: {names}; nothing tells a classifier where to look, so maps of "
            f"{them} mean little: add images without {them}"
        )
    never = [name for name, count in named if not count]
    if never:
        said.append(f"{len(never)} classes are on no image, first {never[0]}")
    return said
