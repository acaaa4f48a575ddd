"""Separators: their cards, their weights, and the models that these make. A card is read without loading torch.

A separator is of no encoder type. Its weights are part of soundtrace, or they are
somebody else's: then the card has their address, and they are fetched only when somebody asks for it.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import FetchFailed, MissingWeights, WrongWeights
from models.memory import keep_freed

if TYPE_CHECKING:
    from demucs.apply import Model

WEIGHTS = Path(__file__).parent / "weights" / "stems"
LEAST_DIGITS = 8  # of a SHA-256: as many as demucs writes into the names of its files


@dataclass(frozen=True, slots=True)
class SeparatorCard:
    """`sources`, `measured`, `limits` and `data` are for people, as on the cards of `models.card`.

    Attributes:
        rate_hz, channels: of what it takes, and of the stems that it gives.
        weights: name of a file. `.safetensors` holds a class and tensors; `<signature>-<digits>.th` is what demucs
            publishes, a pickle.
        sha256: what the file's SHA-256 begins with, best all 64 hex digits: of 8 a forger finds another file in hours.
        address: where the file is fetched from. Empty: it comes with soundtrace.
        successor: the model version that took its place. Then its weights do not come any more, and the card is there
            for the datasets that keep its stems.
    """

    name: str
    version: int
    model_version: str
    summary: str
    rate_hz: int
    channels: int
    weights: str
    sha256: str
    sources: dict[str, str] = field(hash=False)
    measured: dict[str, Any] = field(hash=False)
    limits: tuple[str, ...]
    data: dict[str, Any] = field(hash=False)
    address: str = ""
    successor: str = ""

    def __post_init__(self) -> None:
        if len(self.sha256) < LEAST_DIGITS:
            raise ValueError(f"card '{self.name}': the SHA-256 '{self.sha256}' tells no file from another")


def load(name: str, folder: Path = WEIGHTS) -> SeparatorCard:
    """The card `<folder>/<name>.json`.

    Raises: FileNotFoundError for an unknown name, TypeError or ValueError for a bad card.
    """
    told = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return SeparatorCard(**{**told, "limits": tuple(told["limits"])})


def load_model(card: SeparatorCard, folder: Path = WEIGHTS) -> Model:
    """The model of a card, ready, on CUDA where it is there; loaded once per process.

    Its file is verified before anything of it is interpreted: it names the class that is made of it, and a `.th` could
    run any code.

    Raises: `MissingWeights`, `WrongWeights`.
    """
    return _loaded(card, folder)


@cache
def _loaded(card: SeparatorCard, folder: Path) -> Model:
    import torch
    from demucs.hf import load_safetensors_model
    from demucs.pretrained import get_model
    from demucs.repo import ModelLoadingError

    keep_freed()
    path = verified(card, folder)
    try:
        is_own = path.suffix == ".safetensors"
        model = load_safetensors_model(path) if is_own else get_model(path.stem.split("-")[0], folder)
    except ModelLoadingError as error:
        raise WrongWeights(f"demucs refuses {path}: {error}", f"keep one file of that signature in {folder}") from error
    if (model.samplerate, model.audio_channels) != (card.rate_hz, card.channels):
        fact = f"the weights {path} are of {model.samplerate} Hz and {model.audio_channels} channels"
        raise WrongWeights(fact, f"mend the card '{card.name}', which says {card.rate_hz} Hz and {card.channels}")
    ready: Model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    return ready


def verified(card: SeparatorCard, folder: Path = WEIGHTS) -> Path:
    """The file of a card's weights in a folder, once its bytes are what the card says. None of them is interpreted.

    Raises: `MissingWeights` for weights that were never fetched, `WrongWeights` otherwise.
    """
    path = folder / card.weights
    remedy = "install soundtrace again: cards and weights are released together"
    if card.address:
        command = f"SOUNDTRACE_SEPARATOR={card.name} soundtrace separate --fetch"
        remedy = f"fetch them with `{command}`, or bring {card.address} to {path}"
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        if card.address:
            fact = f"the weights of '{card.name}' are no part of soundtrace, and {folder} has no {card.weights}"
            raise MissingWeights(fact, remedy) from None
        if card.successor:
            raise MissingWeights(*retirement(card)) from None
        raise WrongWeights(f"the weights {path} are missing", remedy) from None
    if not found.startswith(card.sha256):
        raise WrongWeights(f"the weights {path} have SHA-256 {found}, their card says {card.sha256}", remedy)
    return path


def retirement(card: SeparatorCard) -> tuple[str, str]:
    """What is the case with a separator that has a successor, and what to do about it."""
    fact = f"new stems by '{card.model_version}' cannot be made: its weights are no longer part of soundtrace"
    remedy = (
        f"ingest into another dataset, which separates by '{card.successor}', "
        "or ask for tasks and depths without stems and motifs"
    )
    return fact, remedy


def fetch(card: SeparatorCard, folder: Path = WEIGHTS, *, progress: bool = False) -> Path:
    """Download the weights of a card, unless they are there. Nothing here calls it: it is for who was told to.

    Args:
        progress: show a bar on stderr.
    Returns:
        The file. It appears under its name only when all of it is there and is what the card says.
    Raises:
        `FetchFailed`; ValueError for a card whose weights come with soundtrace.
    """
    if not card.address:
        raise ValueError(f"the weights of '{card.name}' come with soundtrace: there is nothing to fetch")
    with suppress(WrongWeights):
        return verified(card, folder)
    import torch.hub

    path = folder / card.weights
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(card.address, str(path), card.sha256, progress)
    except (OSError, HTTPException, RuntimeError) as error:
        fact = f"the weights of '{card.name}' could not be fetched from {card.address} to {folder}: {error}"
        raise FetchFailed(fact, f"try again, or bring {card.weights} there from elsewhere") from error
    return path
