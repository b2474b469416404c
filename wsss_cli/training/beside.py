"""What a training writes beside its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import UsageError, WsssError


def check_beside(
    path: Path, option: str, out: Path, force: bool, is_own: Callable[[], bool]
) -> None:
    """Refuse early what a training is to write beside its weights, as `check_target` does.

    Args:
        path: of the file.
        option: that names it.
        out: of the weights.
        force: whether either may exist.
        is_own: whether `path` is what this very run writes. An interrupted attempt, whose state is
            kept beside the weights, may have written it.

    Raises:
        UsageError, WsssError: as `check_target`; it is where the weights go; or another command's
            unfinished work lies beside it.
    """
    from ..artifacts import ledger
    from ..artifacts.standing import is_begun, partial_path
    from ..artifacts.writer import check_target

    hint = f"give another name with {option}"
    if path.resolve() == out.resolve():
        raise UsageError(f"{path}: is where the weights go", hint)
    ledger.current().promise(path, hint)
    check_target(path, force or (is_begun(out) and path.exists() and is_own()))
    if partial_path(path).exists() and not (force or is_begun(out)):
        raise WsssError(
            f"{partial_path(path)}: holds the unfinished work of another command",
            f"finish that, {hint}, or add --force to discard it",
        )
