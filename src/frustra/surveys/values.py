"""What all JSON answers are made of: records that refuse unknown fields, and values with their intervals."""

from math import isfinite

from pydantic import BaseModel, ConfigDict, Field

from frustra.stats import Estimate


class Record(BaseModel):
    """A part of an answer; its keys carry their units."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Value(Record):
    """A value with its 95 % interval, which need not be symmetric."""

    value: float = Field(description="estimate")
    std: float | None = Field(description="standard error; null where nobody knows it")
    low: float | None = Field(description="lower end of the 95 % interval; null where it has none")
    high: float | None = Field(description="upper end of the 95 % interval; null where it has none")


def value_of(estimate: Estimate | None) -> Value | None:
    """Return an estimate; None where there is none, or none that is finite."""
    return None if estimate is None or not isfinite(estimate.value) else sure_value(estimate)


def sure_value(estimate: Estimate) -> Value:
    """Return an estimate that is known to be finite."""
    std, low, high = (known(v) for v in (estimate.std, estimate.low, estimate.high))
    return Value(value=estimate.value, std=std, low=low, high=high)


def known(value: float) -> float | None:
    """Return a number, or None for what is none."""
    return float(value) if isfinite(value) else None
