"""Notes as the terminal shows them."""

import re
from collections.abc import Iterable

AT = re.compile(r"([\d.]+) K: (.*)", re.DOTALL)


def grouped(notes: Iterable[str]) -> list[str]:
    """Return every note once; of those alike at several temperatures one: `300, 400 K: …`."""
    found: dict[str, list[str]] = {}
    for note in notes:
        told = AT.fullmatch(note)
        at, text = told.groups() if told else ("", note)
        kelvin = found.setdefault(text, [])
        if at not in kelvin:
            kelvin.append(at)
    return [_with(kelvin, text) for text, kelvin in found.items()]


def _with(kelvin: list[str], text: str) -> str:
    known = [t for t in kelvin if t]
    return f"{', '.join(known)} K: {text}" if known else text
