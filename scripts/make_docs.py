"""Write the reference pages in docs/ from the classes that define what they describe.

docs/settings.md comes from the study's pydantic classes, docs/states.md from the StateTable's
column specifications, docs/results.md from the records of results.json, and docs/answers/ from those
that commands print with --json. Nothing is described twice: change a description in its class and run
this script again.
"""

import argparse
import json
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from frustra.campaign.relax_results import RelaxResult
from frustra.campaign.results import SCHEMA_VERSION, Results
from frustra.campaign.study import Study
from frustra.states import COLUMNS
from frustra.surveys.density import DensityResult
from frustra.surveys.doas_results import DoasResult
from frustra.surveys.hop_results import HopsResult
from frustra.surveys.model_results import ModelsResult
from frustra.surveys.percolation_results import PercolationAnswer
from frustra.surveys.rdf_results import RdfResult
from frustra.surveys.site_results import SitesAnswer

DOCS = Path(__file__).resolve().parents[1] / "docs"

NOTICE = "<!-- Written by scripts/make_docs.py (make docs); change the classes, not this page. -->"

SETTINGS = """# Settings of a study

A study file is TOML. `frustra init` writes one with every setting below. A key that is not listed
here is refused, and the nearest valid one is named. Relative paths start at the folder of the study
file.
"""

STATES = """# The state table

`states.parquet` has one row per relaxed snapshot and mobile ion, for all temperatures and all
materials of a study. `frustra.read_states` reads it, and so does any Parquet reader. Units and
meanings are stored in the file too, as metadata of the columns.

`energy` is the per-atom energy as the potential gives it. The zero of the density of atomistic
states is not subtracted: it is `materials.<name>.energy_zero_eV` in `results.json`. Rows of
snapshots that did not converge are kept here, and left out of the density.

Sites and their labels are defined in [sites.md](sites.md). The density can be resolved by any column.
"""

RESULTS = f"""# results.json

What a run found. This is version {SCHEMA_VERSION} of the schema (`schema_version` in the file); the
version rises when a key is removed, renamed or changes its meaning.

Keys carry their units: `T_K` is in K, `mean_eV` in eV. A `Quantity` names its unit itself. `null`
stands for a number that does not exist, such as the standard error of an upper bound. Standard
errors are one sigma; `low` and `high` end a 95 % interval; an upper bound is a 95 % limit. What
`pathways` means is defined in [sites.md](sites.md).

The conductivities of a study named `li3ycl6`, in Python:

```python
import json
from pathlib import Path

found = json.loads(Path("runs/li3ycl6/results.json").read_text(encoding="utf-8"))
for row in found["materials"]["Li3YCl6"]["temperatures"]:
    print(row["T_K"], row["conductivity"], row["equilibrated"])
```
"""

ANSWERS: dict[str, type[BaseModel]] = {
    "sites": SitesAnswer,
    "hops": HopsResult,
    "rdf": RdfResult,
    "density": DensityResult,
    "percolation": PercolationAnswer,
    "models": ModelsResult,
    "relax": RelaxResult,
    "doas": DoasResult,
}
"""What each command prints as one JSON object."""

NOTES = {
    "density": "`temperatures`\n"
    "holds one such record each; where there is a single one, its keys stand beside it as well.",
    "doas": "It is\n"
    "defined in [doas.md](../doas.md). Of several materials `materials` holds one such record each.",
}
"""What a page says besides."""

ANSWER = """# frustra {command} --json

Keys carry their units. `null` stands for a number that does not exist. Standard errors are one sigma;
`low` and `high` end a 95 % interval. What the numbers mean is said in [sites.md](../sites.md).{note}
"""

SHOWN = 3
"""Paths of a record that are listed; those that stand in more places say how many more."""

TYPES: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Path: "path",
    Any: "any",
    types.NoneType: "null",
}
COLUMN_TYPES = {"U": "text", "f8": "float64", "i8": "int64", "?": "boolean"}
BOUNDS = ((Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(head), ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def page(preface: str, *sections: str) -> str:
    """Return a page: the notice, its preface and its sections."""
    return "\n\n".join([NOTICE, preface.strip(), *sections]) + "\n"


def summary(model: type[BaseModel]) -> str:
    """Return the first line of a class's docstring."""
    return (model.__doc__ or "").strip().split("\n", 1)[0]


def record_in(annotation: Any) -> type[BaseModel] | None:
    """Return the pydantic class that an annotation holds, however deep; None if it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (record_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model is not None), None)


def type_name(annotation: Any) -> str:
    """Return what a reader calls a type; records are links to their sections."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None:
        return TYPES.get(annotation) or f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if origin is typing.Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in parts)
    names = [type_name(part) for part in parts if part is not Ellipsis]
    if origin is dict:
        return f"map: name → {names[1]}"
    if origin is tuple and Ellipsis not in parts:
        return f"{len(names)} × {names[0]}"
    return f"list of {names[0]}" if origin in (list, tuple) else " or ".join(names)


def settings_page() -> str:
    """Return docs/settings.md."""
    return page(SETTINGS, *settings_sections())


def settings_sections() -> Iterator[str]:
    """Yield one section for the top level and one for each table of the study file."""
    yield settings_section("Top level", Study)
    for key, field in Study.model_fields.items():
        model = record_in(field.annotation)
        if model is not None:
            many = typing.get_origin(field.annotation) is dict
            yield settings_section(f"[{key}.NAME]" if many else f"[{key}]", model)


def settings_section(title: str, model: type[BaseModel]) -> str:
    """Return the settings of one table of the study file."""
    rows = [
        [f"`{key}`", default_of(field), allowed(field), field.description or ""]
        for key, field in model.model_fields.items()
        if record_in(field.annotation) is None
    ]
    body = table(("key", "default", "allowed", "meaning"), rows)
    return f"## {title}\n\n{summary(model)}\n\n{body}"


def default_of(field: FieldInfo) -> str:
    """Return a setting's default as TOML."""
    if field.is_required():
        return "required"
    return "not set" if field.default is None else f"`{toml(field.default)}`"


def toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, tuple):
        return "[" + ", ".join(toml(v) for v in value) + "]"
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def allowed(field: FieldInfo) -> str:
    """Return a setting's type and bounds."""
    optional = types.NoneType in typing.get_args(field.annotation)
    name = type_name(field.annotation)
    name = name.removesuffix(" or null") if optional else name
    bounds = [
        f"{sign} {getattr(rule, attribute):g}"
        for kind, attribute, sign in BOUNDS
        for rule in field.metadata
        if isinstance(rule, kind)
    ]
    some = any(isinstance(rule, MinLen) for rule in field.metadata)
    return ", ".join([name, *bounds, *(["at least one"] if some else [])])


def states_page() -> str:
    """Return docs/states.md."""
    rows = [
        [f"`{c.name}`", c.unit or "–", COLUMN_TYPES[c.dtype], c.doc, ", ".join(c.allowed) or "–"]
        for c in COLUMNS
    ]
    return page(STATES, table(("column", "unit", "type", "meaning", "allowed"), rows))


def results_page() -> str:
    """Return docs/results.md."""
    return page(RESULTS, *sections_of(Results))


def answer_page(command: str) -> str:
    """Return docs/answers/COMMAND.md."""
    preface = ANSWER.format(command=command, note=f" {NOTES[command]}" if command in NOTES else "")
    return page(preface, *sections_of(ANSWERS[command]))


def sections_of(root: type[BaseModel]) -> list[str]:
    """Return one section for each record of a file; two of one name could not be linked to."""
    found = places(root)
    names = [model.__name__ for model in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SystemExit(f"{root.__name__} holds several records named {', '.join(twice)}")
    return [record_section(model, at) for model, at in found.items()]


def places(root: type[BaseModel]) -> dict[type[BaseModel], list[str]]:
    """Return every record of a file, outermost first, with the paths where it stands."""
    found: dict[type[BaseModel], list[str]] = {}
    for model, path in walk(root, ""):
        found.setdefault(model, []).append(path)
    return found


def walk(model: type[BaseModel], path: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield a record and all records in it, depth first, with their paths."""
    yield model, path
    for key, field in model.model_fields.items():
        inner = record_in(field.annotation)
        if inner is not None:
            suffix = {dict: ".<name>", list: "[]"}.get(container_of(field.annotation), "")
            yield from walk(inner, f"{path}.{key}{suffix}".removeprefix("."))


def container_of(annotation: Any) -> Any:
    """Return the list or map that an annotation is, or is if not null."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return next((typing.get_origin(p) for p in parts if p is not types.NoneType), None)
    return origin


def record_section(model: type[BaseModel], at: Sequence[str]) -> str:
    """Return the keys of one record."""
    where = ", ".join(f"`{path}`" for path in at[:SHOWN] if path)
    if len(at) > SHOWN:
        where += f" and {len(at) - SHOWN} more"
    fields = model.model_fields.items()
    rows = [[f"`{key}`", type_name(f.annotation), meaning(f)] for key, f in fields]
    head = [f"## {model.__name__}", summary(model), *([f"Path: {where}"] if where else [])]
    return "\n\n".join([*head, table(("key", "type", "meaning"), rows)])


def meaning(field: FieldInfo) -> str:
    """Return a field's description, or the summary of the record that it holds."""
    inner = record_in(field.annotation)
    return field.description or (summary(inner) if inner is not None else "")


def undescribed() -> Iterator[str]:
    """Yield every field that neither has a description nor holds a record with a docstring."""
    models = {model for root in (Study, Results, *ANSWERS.values()) for model in places(root)}
    for model in sorted(models, key=lambda m: m.__name__):
        for key, field in model.model_fields.items():
            if not meaning(field):
                yield f"{model.__name__}.{key}"


def stale(pages: dict[str, str]) -> list[str]:
    """Return the names of the pages that differ from the files in docs/."""
    files = {name: DOCS / name for name in pages}
    return [
        name
        for name, text in pages.items()
        if not files[name].is_file() or files[name].read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the pages; with --check, only compare them and return 1 if one differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if one differs")
    check = parser.parse_args().check
    pages = {
        "settings.md": settings_page(),
        "states.md": states_page(),
        "results.md": results_page(),
        **{f"answers/{command}.md": answer_page(command) for command in ANSWERS},
    }
    for name in undescribed():
        print(f"no description: {name}", file=sys.stderr)
    changed = stale(pages)
    for name in changed:
        print(f"docs/{name} {'is out of date: run make docs' if check else 'written'}")
        if not check:
            (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
            (DOCS / name).write_text(pages[name], encoding="utf-8")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
