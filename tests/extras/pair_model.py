"""A pair potential as a metatomic model. TorchScript reads this file, so torch is imported at its head."""

from pathlib import Path
from typing import Dict, List, Optional  # noqa: UP035 - what TorchScript reads

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)

CUTOFF = 4.5  # Å


class Pairs(torch.nn.Module):
    """e_i = ½ Σ_j (z_i z_j / 1000) e^(−r) (1 − r²/R²)² + z_i / 50."""

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        return [NeighborListOptions(cutoff=4.5, full_list=True, strict=True)]

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels] = None,  # noqa: ARG002, UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        if "energy" not in outputs:
            return {}
        rows: List[torch.Tensor] = []  # noqa: UP006
        labels: List[List[int]] = []  # noqa: UP006
        for s, system in enumerate(systems):
            pairs = system.get_neighbor_list(self.requested_neighbor_lists()[0])
            z = system.types.to(system.positions.dtype)
            first = pairs.samples.column("first_atom").to(torch.int64)
            second = pairs.samples.column("second_atom").to(torch.int64)
            r = torch.linalg.vector_norm(pairs.values.reshape(-1, 3), dim=1)
            pair = z[first] * z[second] / 1000.0 * torch.exp(-r) * (1.0 - r**2 / 4.5**2) ** 2
            atomic = (z / 50.0).index_add(0, first, 0.5 * pair)
            if outputs["energy"].sample_kind == "atom":
                rows.append(atomic.reshape(-1, 1))
                for i in range(len(system)):
                    labels.append([s, i])  # noqa: PERF401 - TorchScript
            else:
                rows.append(atomic.sum().reshape(1, 1))
                labels.append([s])
        names = ["system", "atom"] if outputs["energy"].sample_kind == "atom" else ["system"]
        block = TensorBlock(
            values=torch.cat(rows),
            samples=Labels(names, torch.tensor(labels, dtype=torch.int32)),
            components=torch.jit.annotate(List[Labels], []),  # noqa: UP006
            properties=Labels(["energy"], torch.tensor([[0]])),
        )
        return {"energy": TensorMap(Labels(["_"], torch.tensor([[0]])), [block])}


def export(path: Path, per_atom: bool) -> None:
    """Export the model; `per_atom` decides whether it offers the energy of each atom."""
    kind = "atom" if per_atom else "system"
    capabilities = ModelCapabilities(
        outputs={"energy": ModelOutput(unit="eV", sample_kind=kind, explicit_gradients=[])},
        atomic_types=[3, 17, 39],
        interaction_range=CUTOFF,
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    model = AtomisticModel(Pairs().eval(), ModelMetadata(name="pairs"), capabilities)
    model.save(str(path))
