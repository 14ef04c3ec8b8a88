"""The study file: TOML, validated, with every setting documented once (in its class)."""

import difflib
import tomllib
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from frustra.analysis.density import DensitySettings
from frustra.analysis.transport import SMALLEST_RUN, TransportSettings
from frustra.campaign.executors import ResourceSettings
from frustra.campaign.ground_state import PrepareSettings
from frustra.engines.md import SMALLEST_NPT, MDSettings, StartSettings
from frustra.engines.relax import RelaxSettings
from frustra.errors import StudyError
from frustra.io import read_json, write_json, write_text
from frustra.settings import Settings

COPY = "study.toml"
"""The study in the folder of a run."""

ORIGIN = "steps/origin.json"
"""Where the study of a run came from, in the run's folder."""


class PotentialSettings(Settings):
    """Which potential is used."""

    model: str = Field(
        "pod:li-y-cl",
        description="FAMILY:NAME; a shipped potential (pod:li-y-cl) or a model of yours: "
        "`frustra check-potential --list` shows every family",
    )


class MaterialSettings(Settings):
    """One material: its crystal and its supercell."""

    structure: Path = Field(
        description="an ordered crystal, in any format that ASE reads; relative to the study file"
    )
    supercell: tuple[int, int, int] = Field(
        (2, 2, 2), description="repetitions along each axis; 2 nm each way where it can be"
    )
    starts: tuple[Path, ...] = Field(
        (), description="further orderings of the same supercell to start the search from"
    )

    @field_validator("supercell")
    @classmethod
    def _positive(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("repetitions must be at least 1")
        return value


class SamplingSettings(Settings):
    """Which frames are relaxed."""

    snapshots: int = Field(
        40,
        ge=2,
        description="frames of a run that are relaxed at most; they are at least two correlation times of "
        "the sites' occupations apart, so that a short run gives fewer",
    )
    least: int = Field(
        16,
        ge=2,
        description="frames that are relaxed in any case, also of a run in which ions hardly move",
    )
    entropy_error: float = Field(
        0.05,
        gt=0,
        description="error of the entropy of the DOAS that is wanted (nat): a warning tells how many "
        "snapshots it takes",
    )
    hops: int = Field(
        24,
        ge=0,
        description="hops at each temperature whose frames before and after are relaxed, some of every "
        "class; 0: none",
    )


class Study(Settings):
    """Everything that a run is determined by."""

    name: str = Field(description="name of the study, used for its folder")
    specie: str = Field("Li", description="the mobile element")
    anions: tuple[str, ...] | None = Field(
        None,
        description="elements whose polyhedra are the sites; by default all anions of the framework. Where "
        "the mobile ion is an anion itself, name its cations",
    )
    seed: int = Field(1, ge=1, description="every random number of the run follows from it")
    potential: PotentialSettings = PotentialSettings()
    materials: dict[str, MaterialSettings] = Field(min_length=1)
    prepare: PrepareSettings = PrepareSettings()
    md: MDSettings
    start: StartSettings = StartSettings()
    sampling: SamplingSettings = SamplingSettings()
    relax: RelaxSettings = RelaxSettings()
    transport: TransportSettings = TransportSettings()
    doas: DensitySettings = DensitySettings()
    resources: ResourceSettings = ResourceSettings()

    @field_validator("name", "materials")
    @classmethod
    def _usable_as_folder(cls, value: Any) -> Any:
        for name in [value] if isinstance(value, str) else value:
            if not name or not all(c.isalnum() or c in "-_+" for c in name):
                raise ValueError(f"the name {name!r} must be letters, digits and -_+ only")
        return value


def base_of(path: Path) -> Path:
    """Return the folder that a study's relative paths start from: its own.

    For the study in the folder of a run it is that of the file that was run.
    """
    folder = path.resolve().parent
    origin = folder / ORIGIN
    if path.name == COPY and origin.is_file():
        return Path(read_json(origin)["folder"])
    return folder


def write_copy(path: Path, root: Path) -> None:
    """Copy a study file into the folder of its run, and note where it came from."""
    write_json(root / ORIGIN, {"folder": str(base_of(path))})
    write_text(root / COPY, path.read_text(encoding="utf-8"))


def load_study(path: Path) -> Study:
    """Read and validate a study file; structure paths become absolute.

    Raises
    ------
    StudyError
        No such file, not TOML, an unknown key (the nearest valid one is named), or a bad value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"no study file {path}", remedy="write one with: frustra init") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror})", "a study file (TOML)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path} is not valid TOML: {error}", remedy="correct the line") from None
    try:
        study = Study.model_validate(content)
    except ValidationError as error:
        raise _explained(error, path) from None
    production = min([study.md.production, *study.md.production_at.values()])
    frames = study.md.steps(production) // study.md.frame_steps
    if frames < SMALLEST_RUN:
        raise StudyError(
            f"only {frames} stored frames in {production:g} ps of production",
            f"at least {SMALLEST_RUN}",
            "lower md.interval or raise md.production",
        )
    if study.md.cell == "npt" and study.md.steps(study.md.npt_time) < SMALLEST_NPT:
        raise StudyError(
            f"npt_time = {study.md.npt_time:g} ps", f"at least {SMALLEST_NPT} time steps", "raise md.npt_time"
        )
    if study.sampling.snapshots > frames:
        raise StudyError(
            f"{study.sampling.snapshots} snapshots of {production:g} ps, "
            f"stored every {study.md.interval:g} ps",
            "no more snapshots than stored frames",
            "lower sampling.snapshots or md.interval, or raise md.production",
        )
    return study.model_copy(
        update={"materials": {k: _located(m, base_of(path)) for k, m in study.materials.items()}}
    )


def _located(material: MaterialSettings, base: Path) -> MaterialSettings:
    paths = {
        "structure": base / material.structure,
        "starts": tuple(base / s for s in material.starts),
    }
    return material.model_copy(update=paths)


def _explained(error: ValidationError, path: Path) -> StudyError:
    """Turn pydantic's first complaint into one sentence; a misspelt key comes before what it leaves out."""
    complaints = error.errors()
    first = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        valid = _keys_at(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1, cutoff=0.0)
        return StudyError(
            f"unknown key {where!r} in {path}",
            f"one of {', '.join(valid)}",
            f"did you mean {near[0]!r}" if near else "",
        )
    if first["type"] == "missing":
        return StudyError(f"no {where!r} in {path}", "a value", "see: frustra init")
    message = first["msg"].removeprefix("Value error, ")
    return StudyError(f"{where} = {first['input']!r} in {path}", remedy=message[:1].lower() + message[1:])


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Return the valid keys of the table at a location of the study file."""
    model: type[BaseModel] = Study
    parts = list(location)
    while parts:
        annotation = model.model_fields[str(parts.pop(0))].annotation
        arguments = typing.get_args(annotation)
        if arguments:  # dict[str, Model]: the next part is the user's own name
            annotation = arguments[-1]
            parts = parts[1:]
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return sorted(model.model_fields)


EXAMPLE = {
    "name": "my-study",
    "structure": "structure.cif",
    "temperatures": (300.0, 400.0, 500.0, 600.0, 700.0, 800.0),
}
"""Values that `frustra init` writes for settings without a default."""


def commented_study() -> str:
    """Return a study file with every setting, its meaning and its default, made from the classes."""
    lines = [
        "## A frustra study. A line with one # shows a default: remove the # to change it.",
        "",
    ]
    top = {k: f for k, f in Study.model_fields.items() if not _is_table(f.annotation)}
    lines += [*_settings(top), ""]
    for key, field in Study.model_fields.items():
        if not _is_table(field.annotation):
            continue
        arguments = typing.get_args(field.annotation)
        model: type[BaseModel] = arguments[-1] if arguments else typing.cast("Any", field.annotation)
        header = f"[{key}.my-material]" if arguments else f"[{key}]"
        lines += [f"## {(model.__doc__ or '').strip().splitlines()[0]}", header]
        lines += [*_settings(model.model_fields), ""]
    return "\n".join(lines)


def _is_table(annotation: Any) -> bool:
    candidates = typing.get_args(annotation) or (annotation,)
    if isinstance(annotation, types.UnionType):
        return False
    return any(isinstance(c, type) and issubclass(c, BaseModel) for c in candidates)


def _settings(fields: dict[str, Any]) -> list[str]:
    lines = []
    for key, field in fields.items():
        if _is_table(field.annotation):
            continue
        lines.append(f"## {field.description}")
        if field.is_required():
            lines.append(f"{key} = {_toml(EXAMPLE[key])}")
        elif field.default is None:
            lines.append(f"## {key}: not set")
        else:
            lines.append(f"# {key} = {_toml(field.default)}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return (
        f'"{value}"'
        if isinstance(value, str | Path)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
