"""Weights as they are shipped: in half precision, their SHA-256 and the runs that they come from on their card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

OF_A_RUN = ("seed", "steps", "seconds", "seen")  # what a card tells of it; its losses are among the curves


def write(state: Mapping[str, Tensor], path: Path, told: dict[str, str] | None = None) -> None:
    """Write a network's state, whole or not at all.

    Args:
        state: as `state_dict` gives it.
        path: of the safetensors file; one that is there is replaced.
        told: the file's own metadata.
    """
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    scratch = path.with_suffix(".part")
    save_file({name: value.contiguous().cpu() for name, value in halves.items()}, scratch, metadata=told)
    scratch.rename(path)


def sign(card: Path, weights: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write into a card, where there is one, what it must say of these weights."""
    if card.exists():
        told = json.loads(card.read_text("utf-8"))
        told["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        told["data"]["runs"] = [{key: run[key] for key in OF_A_RUN if key in run} for run in runs]
        card.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
