"""Where the public data are, and how Hypothesis searches."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# The same examples every time; `pytest --hypothesis-profile explore` looks for new ones.
settings.register_profile(
    "same", deadline=None, derandomize=True, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore", deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of public data: `$FRUSTRA_DATA`, or `../shared/data` beside the repository."""
    folder = Path(os.environ.get("FRUSTRA_DATA") or ROOT.parent / "shared/data")
    if not folder.is_dir():
        pytest.skip(f"no public data in {folder}: set FRUSTRA_DATA")
    return folder
