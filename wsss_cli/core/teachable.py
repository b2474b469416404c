"""What a classifier cannot learn from tags, whatever its method."""

from __future__ import annotations

from collections.abc import Sequence

MANY = 2  # images; on a single one, every class is on all or on none
SHOWN = 3  # names


def unteachable(
    classes: Sequence[str], counts: Sequence[int], total: int, absent: Sequence[int] | None = None
) -> list[str]:
    """What to say of classes that are on every image or on none.

    Args:
        classes: names.
        counts: images that each is on.
        total: images there are.
        absent: images that each is said not to be on; None where these are all others.

    >>> for line in unteachable(["crack", "rust", "moss"], [3, 1, 0], 3):
    ...     print(line)  # doctest: +ELLIPSIS
    on all 3 images: crack; ...
    1 classes are on no image, first moss
    >>> for line in unteachable(["crack", "rust", "moss"], [2, 1, 0], 3, [0, 1, 2]):
    ...     print(line)  # doctest: +ELLIPSIS
    said to be absent from no image: crack; ...
    1 classes are on no image, first moss
    """
    absent = [total - count for count in counts] if absent is None else absent
    named = list(zip(classes, counts, absent, strict=True))
    everywhere = [name for name, count, _ in named if count == total]
    unopposed = [name for name, count, others in named if count and count != total and not others]
    said = []
    if total >= MANY:
        for names, where in (
            (everywhere, f"on all {total} images"),
            (unopposed, "said to be absent from no image"),
        ):
            said += [_without_contrast(names, where)] if names else []
    never = [name for name, count, _ in named if not count]
    if never:
        said.append(f"{len(never)} classes are on no image, first {never[0]}")
    return said


def _without_contrast(names: Sequence[str], where: str) -> str:
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    them = "it" if len(names) == 1 else "them"
    return (
        f"{where}: {shown}; nothing tells a classifier where to look, so maps of {them} mean "
        f"little: add images without {them}"
    )
