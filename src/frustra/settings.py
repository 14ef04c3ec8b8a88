"""The base of every settings class: frozen, no unknown keys, no infinities."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Settings of one stage; each field documents itself, once."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
