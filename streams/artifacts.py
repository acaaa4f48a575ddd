"""Names and bytes of artifacts: what a stage made of an audio, under a name that follows from what it is.

The name holds everything that decides the content (tenant, SHA-256 of the audio, kind, version of what made it), and
nothing else, so "is it done?" is "is it there?". The tenant is part of it: nothing is shared between tenants, so
neither cost nor timing tells one what another holds. Waveforms and stems are FLAC, everything else is an .npz archive
of one array and its meta data.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streams.errors import Defect

if TYPE_CHECKING:  # the API names blobs, and loads no model for it
    from models.card import Hearing
    from models.latents import WindowAxis
    from models.presence import Presence
    from models.section.sections import Structure


SOUND = ("waveform", "stems")  # the kinds that are kept as FLAC


@dataclass(frozen=True, slots=True)
class Stored:
    """An array with its time axis (`hop_s`, `window_s`, `start_s` of the first dimension) and other facts."""

    array: NDArray[Any]
    meta: Mapping[str, Any]

    @property
    def starts_s(self) -> NDArray[np.float64]:
        """Where each row of the array begins, in seconds."""
        return float(self.meta["start_s"]) + float(self.meta["hop_s"]) * np.arange(len(self.array), dtype=np.float64)


def upload_name(tenant: str, audio_id: str) -> str:
    """Where a tenant's uploaded bytes stand, once however often they were sent."""
    return f"uploads/{_part(tenant)}/{audio_id}"


def artifact_name(tenant: str, audio_id: str, kind: str, version: str) -> str:
    """`version`: see `cards.version_of`."""
    return f"artifacts/{_part(tenant)}/{audio_id}/{kind}-{version}.{'flac' if kind in SOUND else 'npz'}"


def job_name(tenant: str, job_id: str, what: str) -> str:
    """`request` (whose job it is), `tracks` (an accepted search's candidates and queries) or `details/<index>` (one
    query's complete answer)."""
    return f"jobs/{_part(tenant)}/{_part(job_id)}/{what}.json"


def cohort_name(tenant: str, dataset_id: str, kind: str, version: str, grown: int) -> str:
    """The strangers of a dataset for one kind of windows, as they were chosen when it had grown so much."""
    return f"cohorts/{_part(tenant)}/{dataset_id}/{kind}-{version}/{grown}.npz"


def _part(name: str) -> str:
    """A tenant or job id as a part of a blob's name, which must not begin with a dot; `%` is in no id."""
    return f"%2E{name[1:]}" if name.startswith(".") else name


def pack(array: NDArray[Any], meta: Mapping[str, Any]) -> bytes:
    """One array and its meta data as .npz bytes; the same input gives the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        encoded = io.BytesIO()
        np.lib.format.write_array(encoded, np.ascontiguousarray(array), allow_pickle=False)
        # Floats hardly shrink, and a search unpacks thousands of them.
        method = zipfile.ZIP_STORED if array.dtype.kind == "f" else zipfile.ZIP_DEFLATED
        # A fixed date: np.savez would write the time of day into the archive.
        archive.writestr(zipfile.ZipInfo("array.npy"), encoded.getvalue(), method, 1)
        archive.writestr(zipfile.ZipInfo("meta.json"), json.dumps(dict(meta), sort_keys=True))
    return data.getvalue()


def pack_cqt(cqt: NDArray[np.uint8], hearing: Hearing) -> bytes:
    """A constant-Q transform. Frames are its second dimension: its own shape is told, its time axis beside it."""
    return pack(cqt, {"hop_s": hearing.frame_s, "start_s": 0.0})


def pack_windows(latents: NDArray[np.float32], axis: WindowAxis) -> bytes:
    """The windows of a track or of one of its stems, with their time axis."""
    return pack(latents, {"hop_s": axis.window_hop_s, "window_s": axis.window_s, "start_s": 0.0})


def pack_stem_cqts(cqts: NDArray[np.uint8], found: Mapping[str, Presence], hearing: Hearing) -> bytes:
    """The transforms of the stems with a pitch, and which layers there are. Frames are their third dimension."""
    told = {layer: asdict(presence) for layer, presence in found.items()}
    return pack(cqts, {"hop_s": hearing.frame_s, "start_s": 0.0, "presence": told})


def pack_structure(found: Structure) -> bytes:
    """The sections of a track with the harmony of its beats, which do not come evenly: their seconds stand beside."""
    beats_s = [round(float(second), 4) for second in found.beats_s]
    return pack(found.harmony, {"beats_s": beats_s, "sections": [asdict(section) for section in found.sections]})


def unpack_structure(data: bytes, stem_cqt: NDArray[np.uint8] | None = None) -> Structure:
    """A track's structure, or with the transform of one of its stems that stem's."""
    from models.section.sections import Section, Structure, harmony_of_cqt

    stored = unpack(data)
    sections = tuple(Section(**section) for section in stored.meta["sections"])
    beats_s = np.asarray(stored.meta["beats_s"], np.float32)
    return Structure(sections, beats_s, stored.array if stem_cqt is None else harmony_of_cqt(stem_cqt, beats_s))


def unpack(data: bytes) -> Stored:
    """Raises: `Defect` when the bytes are not what `pack` writes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            array = np.lib.format.read_array(io.BytesIO(archive.read("array.npy")), allow_pickle=False)
            return Stored(array, json.loads(archive.read("meta.json")))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise Defect(f"a stored artifact cannot be read: {error}", "delete it and ingest the track again") from error
