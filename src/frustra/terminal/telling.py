"""What is being done, on stderr, while somebody waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is being done, on stderr, where somebody looks."""
    console = Console(stderr=True)
    with console.status("…") as status:
        yield status.update
