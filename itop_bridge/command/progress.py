"""How far a long reading has come, for who watches it on a terminal."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def show_progress() -> Iterator[Callable[[int, int], None]]:
    """Yields a function of (done, total). Nothing is shown before it is known that there is more than one page, nor
    where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with contextlib.ExitStack() as stack:
        draw: list[Callable[[int, int], None]] = []

        def advance(done: int, total: int) -> None:
            if not draw and done < total:
                draw.append(stack.enter_context(_bar(total)))
            for each in draw:
                each(done, total)

        yield advance


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console  # noqa: PLC0415 - heavy, and for a terminal only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress  # noqa: PLC0415 - the same

    with Progress(BarColumn(), MofNCompleteColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda done, whole: progress.update(task, completed=done, total=whole)
