"""Temperatures that are not equilibrated, marked wherever the page names them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from frustra.report.picture import Picture
from frustra.report.tables import Table

MARK = "*"
"""Behind a temperature that is not equilibrated."""

SAID = "not equilibrated"
"""Texts that say so themselves need no mark."""

COLUMNS = ("T_K", "T")
"""Columns of temperatures in the data of figures."""


def marked(text: str, doubtful: Sequence[float]) -> str:
    """Return a text with a mark behind every doubtful temperature, `300 K*`."""
    if not doubtful or SAID in text:
        return text
    found = "|".join(re.escape(f"{t:g}") for t in doubtful)
    return re.sub(rf"(?<![\d.])({found}) K(?![\w*])", rf"\1 K{MARK}", text)


def marked_table(table: Table, doubtful: Sequence[float]) -> Table:
    """Return a table with the same marks in its heads and cells, and in a column of temperatures."""
    heads, body = table
    bare = {f"{t:g}" for t in doubtful}
    own = heads.index("T (K)") if "T (K)" in heads else -1
    rows = [
        [cell + MARK if k == own and cell in bare else marked(cell, doubtful) for k, cell in enumerate(row)]
        for row in body
    ]
    return [marked(head, doubtful) for head in heads], rows


def marked_picture(picture: Picture, doubtful: Sequence[float]) -> Picture:
    """Return a picture whose labels, caption and data say which temperatures are not equilibrated."""
    column = next((c for c in COLUMNS if c in picture.data), None)
    named = _mark_labels(picture, doubtful)
    if column is None and not named:
        return picture
    told = [] if column is None else [t in doubtful for t in picture.data[column]]
    if not named and not any(told):
        return picture
    data = picture.data
    if column is not None and "equilibrated" not in data:
        data = {**data, "equilibrated": [not doubt for doubt in told]}
    listed = ", ".join(f"{t:g}" for t in doubtful)
    return replace(picture, caption=f"{picture.caption} Not equilibrated ({MARK}): {listed} K.", data=data)


def _mark_labels(picture: Picture, doubtful: Sequence[float]) -> bool:
    """Mark the texts of a figure; return whether there is one to mark."""
    from matplotlib.text import Text

    found = False
    texts: list[Any] = picture.figure.findobj(Text)
    for text in texts:
        changed = marked(text.get_text(), doubtful)
        if changed != text.get_text():
            text.set_text(changed)
            found = True
    return found
