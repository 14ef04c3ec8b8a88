"""One tree of exceptions: each says what was found, what was expected and what to do.

Whatever reaches the command line as a `FrustraError` ends with that one sentence and exit code 2.
"""


class FrustraError(Exception):
    """Something the user can mend.

    Parameters
    ----------
    found
        What was found.
    expected
        What was expected in its place.
    remedy
        What to do about it.
    """

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found, self.expected, self.remedy = found, expected, remedy
        parts = [found, f"expected {expected}" if expected else "", remedy]
        super().__init__("; ".join(part for part in parts if part) + ".")

    def __reduce__(self) -> tuple[type["FrustraError"], tuple[str, str, str]]:
        """Let worker processes hand the error to their parent unchanged."""
        return type(self), (self.found, self.expected, self.remedy)


class StudyError(FrustraError):
    """A study file or a command-line argument that cannot be used."""


class StructureError(FrustraError):
    """A crystal that cannot be simulated as it stands."""


class DataError(FrustraError):
    """A file or a record that is missing, damaged or inconsistent."""


class PotentialError(FrustraError):
    """A potential that cannot be loaded or does not provide what is asked of it."""


class EngineError(FrustraError):
    """An external program that is missing or failed."""


class AnalysisError(FrustraError):
    """Data from which the wanted quantity cannot be derived."""
