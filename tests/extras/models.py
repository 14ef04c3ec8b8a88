"""Small models, made with the packages' own code. Their weights are random or barely trained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

SPECIES = ("Li", "Y", "Cl")
CUTOFF = 4.5  # Å


def train_deepmd(folder: Path, data: Path) -> Path:
    """Train a small se_e2_a for 200 steps on labelled frames and freeze it."""
    write_deepmd_data(folder / "frames", read(data / "training_LiYCl/train_mtp.extxyz.gz", ":40"))
    net = {"type": "se_e2_a", "sel": [30, 10, 40], "rcut": CUTOFF, "rcut_smth": 1.0, "neuron": [8, 16]}
    settings = {
        "model": {
            "type_map": list(SPECIES),
            "descriptor": {**net, "axis_neuron": 4, "seed": 1},
            "fitting_net": {"neuron": [24, 24], "seed": 1},
        },
        "learning_rate": {"type": "exp", "start_lr": 0.005, "stop_lr": 1e-4, "decay_steps": 50},
        "loss": {"start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1},
        "training": {
            "training_data": {"systems": ["frames"], "batch_size": 1},
            "numb_steps": 200,
            "disp_freq": 100,
            "save_freq": 200,
            "seed": 1,
        },
    }
    (folder / "input.json").write_text(json.dumps(settings), encoding="utf-8")
    dp = str(Path(sys.executable).with_name("dp"))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS"), "1")
    for words in (["train", "input.json"], ["freeze", "-o", "model.pb"]):
        subprocess.run([dp, "--tf", *words], cwd=folder, env={**os.environ, **threads}, check=True)
    return folder / "model.pb"


def write_deepmd_data(folder: Path, frames: list[Atoms]) -> None:
    """Write labelled frames with the same order of atoms as deepmd-kit reads them."""
    part = folder / "set.000"
    part.mkdir(parents=True)
    types = [SPECIES.index(s) for s in frames[0].get_chemical_symbols()]
    (folder / "type_map.raw").write_text("\n".join(SPECIES), encoding="utf-8")
    (folder / "type.raw").write_text("\n".join(map(str, types)), encoding="utf-8")
    np.save(part / "coord.npy", np.array([f.positions.ravel() for f in frames]))
    np.save(part / "box.npy", np.array([f.cell.array.ravel() for f in frames]))
    np.save(part / "energy.npy", np.array([f.get_potential_energy() for f in frames]))
    np.save(part / "force.npy", np.array([f.get_forces().ravel() for f in frames]))


def write_nep(path: Path) -> Path:
    """Write a NEP of random parameters: GPUMD's format, version 4."""
    n_radial, n_angular, basis, l_max, neurons, kinds = 4, 3, 5, 3, 6, len(SPECIES)
    descriptors = n_radial + n_angular * (l_max + 2)  # and one four-body and one five-body term
    network = kinds * (descriptors + 2) * neurons + 1
    expansion = kinds**2 * basis * (n_radial + n_angular)
    rng = np.random.default_rng(3)
    values = [*rng.normal(0, 0.5, network + expansion), *np.full(descriptors, 0.5)]
    head = [
        f"nep4 {kinds} {' '.join(SPECIES)}",
        f"cutoff {CUTOFF} 4 200 150",
        f"n_max {n_radial - 1} {n_angular - 1}",
        f"basis_size {basis - 1} {basis - 1}",
        f"l_max {l_max} 2 1",
        f"ANN {neurons} 0",
    ]
    path.write_text("\n".join([*head, *(f"{v:.8e}" for v in values)]) + "\n", encoding="utf-8")
    return path


def write_nequip(path: Path) -> Path:
    """Save a small NequIP network, in the form that needs no compiler."""
    import torch
    from nequip.model import NequIPGNNModel
    from nequip.model.inference_models.torchscript import save_torchscript_model
    from nequip.utils.global_state import get_latest_global_state, set_global_state

    set_global_state(allow_tf32=False)
    model = NequIPGNNModel(
        seed=1,
        model_dtype="float64",
        r_max=CUTOFF,
        type_names=list(SPECIES),
        num_layers=2,
        l_max=1,
        num_features=4,
        radial_mlp_width=8,
        num_bessels=4,
        avg_num_neighbors=20.0,
        per_type_energy_shifts={"Li": -2.0, "Y": -7.0, "Cl": -3.0},
    ).eval()
    told = {**model.metadata, **get_latest_global_state(only_metadata_related=True)}
    words = {k: str(int(v)) if isinstance(v, bool) else v for k, v in told.items()}
    save_torchscript_model(model, words, str(path), torch.device("cpu"))
    return path


def write_mace(path: Path, isolated: dict[int, float]) -> Path:
    """Save a small MACE with energies of the isolated atoms, by atomic number."""
    from mace import modules  # noqa: I001 - before e3nn, whose constants it lets torch read

    import torch
    from e3nn.o3 import Irreps

    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    model = modules.ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=4,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=block,
        interaction_cls_first=block,
        num_interactions=2,
        num_elements=len(isolated),
        hidden_irreps=Irreps("8x0e"),
        MLP_irreps=Irreps("8x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.array(list(isolated.values())),
        avg_num_neighbors=20.0,
        atomic_numbers=list(isolated),
        correlation=2,
        radial_type="bessel",
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )
    torch.save(model, path)
    torch.set_default_dtype(torch.float32)
    return path


def write_metatomic(path: Path, per_atom: bool) -> Path:
    """Export a pair potential; `per_atom` decides whether it offers the energy of each atom."""
    from tests.extras.pair_model import export

    export(path, per_atom)
    return path
