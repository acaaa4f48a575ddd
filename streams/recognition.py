"""Recognition: which candidates hold the same recording as a query, by the peaks of both.

Keys are looked up in the dataset's postings, what they agree on is verified on the peaks themselves. A 1:1 search needs
no postings. Whoever has no fingerprint, as an ingest of an earlier version left it, is not recognised by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from models.fingerprint.landmarks import probes
from models.fingerprint.recognise import HYPOTHESES, Recording, recognise, recordings
from models.fingerprint.voting import Hypothesis, hypotheses
from streams.artifacts import unpack
from streams.matches import Candidate
from streams.posting import Where, find_listed
from streams.sides import Query
from streams.stage import ArtifactGone, StageContext

KIND = "fingerprint"
TRACKS = 200  # whose peaks are looked at for one query


async def recognised(
    stage: StageContext, query: Query, candidates: Sequence[Candidate]
) -> dict[str, tuple[Recording, ...]]:
    """The accepted alignments with each candidate that has any, by its audio id."""
    packed = await _peaks_of(stage, query.audio_id)
    if packed is None:
        return {}
    if stage.work.dataset_id is None:
        (candidate,) = candidates
        other = await _peaks_of(stage, candidate.audio_id)
        found = () if other is None else await stage.heavy(recognise_pair, packed, other)
        return {candidate.audio_id: found} if found else {}
    listed = {candidate.track_id: candidate.audio_id for candidate in candidates if candidate.track_id is not None}
    listed.pop(query.track_id or "", None)
    where = stage.posted(KIND)
    guesses = await stage.heavy(look_up, packed, where, frozenset(listed))
    references = {track_id: await _peaks_of(stage, listed[track_id]) for track_id in guesses}
    held = {track_id: peaks for track_id, peaks in references.items() if peaks is not None}
    told = await stage.heavy(verify, packed, held, guesses)
    return {listed[track_id]: found for track_id, found in told.items()}


def recognise_pair(query: bytes, candidate: bytes) -> tuple[Recording, ...]:
    """The accepted alignments of two tracks' peaks. Runs in the heavy child."""
    return recordings(unpack(query).array, unpack(candidate).array)


def look_up(query: bytes, where: Where, listed: Collection[str]) -> dict[str, list[Hypothesis]]:
    """What the postings of the listed tracks let one guess, by track id. Runs in the heavy child."""
    asked = probes(unpack(query).array)
    found = find_listed(where, KIND, asked.keys, listed)
    guesses: dict[str, list[Hypothesis]] = {}
    for guess in hypotheses(asked, found.keys, found.payloads, pairs=HYPOTHESES, quads=HYPOTHESES):
        track_id = found.tracks[guess.track]
        if track_id in guesses or len(guesses) < TRACKS:  # the best guesses come first
            guesses.setdefault(track_id, []).append(guess)
    return guesses


def verify(
    query: bytes, references: Mapping[str, bytes], guesses: Mapping[str, list[Hypothesis]]
) -> dict[str, tuple[Recording, ...]]:
    """Of each track the alignments that its peaks bear out. Runs in the heavy child."""
    peaks = {guesses[track_id][0].track: unpack(packed).array for track_id, packed in references.items()}
    names = {guesses[track_id][0].track: track_id for track_id in references}
    among = [guess for track_id in references for guess in guesses[track_id]]
    return {names[number]: found for number, found in recognise(unpack(query).array, peaks, among).items() if found}


async def _peaks_of(stage: StageContext, audio_id: str) -> bytes | None:
    try:
        return await stage.load(audio_id, KIND)
    except ArtifactGone:
        if stage.makes_again(audio_id, KIND):
            raise
        return None
