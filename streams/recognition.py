"""Recognition: which candidates hold the same recording as a query, by the peaks of both.

Keys are looked up in the dataset's postings, what they agree on is verified on the peaks themselves. Where a query is
separated and has a voice, the peaks of its accompaniment are asked beside those of its mix: music under speech, samples
under a song. What nobody in a dataset recognises is looked at again, beside the few tracks that windows and votes rank
best. A 1:1 search needs no postings. Whoever has no fingerprint, as an ingest of an earlier version left it, is not
recognised by it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, islice, zip_longest

from models.content import Thresholds
from models.fingerprint.landmarks import probes
from models.fingerprint.peaks import Peaks
from models.fingerprint.recognise import (
    HYPOTHESES,
    Recording,
    again,
    by_mix_and_accompaniment,
    of_accompaniment,
    recognise,
    together,
)
from models.fingerprint.voting import Hypothesis, hypotheses
from streams import pipeline
from streams.artifacts import unpack
from streams.matches import Candidate
from streams.posting import Where, find_listed
from streams.records import SearchRequest
from streams.sides import Query, depth_of
from streams.stage import ArtifactGone, StageContext

KIND, STEM_KIND = "fingerprint", "stem_fingerprint"
TRACKS = 200  # whose peaks are looked at for one query

# Of 140 excerpts of 3 and 5 s, changed and damaged at once, that the first look at the mix misses among 55 tracks, a
# second one at the 20 with most votes finds 42 and no wrong one, at 10 and the true one 67: so those that windows rank
# best are looked at too. Of 360 strangers none is accepted. 0.35 s for 3 to 5 s of a query, 3 s for 30 s (2026-11-22).
BY_WINDOWS, BY_VOTES = 10, 20  # of each layer, and of mix and accompaniment
FEW_S = 7_200.0  # of candidates in all
LONGEST_AGAIN_S = 15.0  # of a query that is looked at again: a longer one has had many chances at the first look

Asked = Mapping[str, bytes]  # the packed peaks of a query, by kind: of its mix, and of its accompaniment if it has any
Guesses = Mapping[str, list[Hypothesis]]  # by track id, the best first
Grouped = Mapping[Thresholds, Mapping[str, bytes]]  # the packed peaks of tracks by what judges them, and by track id


async def recognised(
    stage: StageContext, query: Query, candidates: Sequence[Candidate], limits: Mapping[str, Thresholds]
) -> dict[str, tuple[Recording, ...]]:
    """The accepted alignments with each candidate that has any, by its audio id; `limits` are theirs."""
    asked = await _asked(stage, query)
    if KIND not in asked:
        return {}
    if stage.work.dataset_id is None:
        (candidate,) = candidates
        other = await _peaks_of(stage, candidate.audio_id, KIND)
        found = () if other is None else await stage.heavy(recognise_pair, asked, other, limits[candidate.audio_id])
        return {candidate.audio_id: found} if found else {}
    listed = {candidate.track_id: candidate for candidate in candidates if candidate.track_id is not None}
    listed.pop(query.track_id or "", None)
    guesses = await stage.heavy(look_up, asked, stage.posted(KIND), frozenset(listed))
    references = await _held(stage, listed, {track_id for found in guesses.values() for track_id in found})
    judged_by = {track_id: limits[candidate.audio_id] for track_id, candidate in listed.items()}
    told = await stage.heavy(verify, asked, _grouped(references, judged_by), guesses)
    if not told and _search_of(stage).search_type == "1:n" and query.heard.duration_s <= LONGEST_AGAIN_S:
        few = _few(query, listed, guesses)
        references |= await _held(stage, listed, set(few) - references.keys())
        held = {name: references[name] for name in few if name in references}
        told = await stage.heavy(look_again, asked, _grouped(held, judged_by))
    return {listed[track_id].audio_id: found for track_id, found in told.items()}


def recognise_pair(asked: Asked, candidate: bytes, thresholds: Thresholds) -> tuple[Recording, ...]:
    """The accepted alignments of two tracks' peaks. Runs in the heavy child."""
    mix, reference = unpack(asked[KIND]).array, unpack(candidate).array
    accompaniment = unpack(asked[STEM_KIND]).array if STEM_KIND in asked else None
    return by_mix_and_accompaniment(mix, accompaniment, reference, thresholds=thresholds)


def look_up(asked: Asked, where: Where, listed: Collection[str]) -> dict[str, Guesses]:
    """What the postings of the listed tracks let one guess, by kind and track id. Runs in the heavy child."""
    return {kind: _look_up(packed, where, listed) for kind, packed in asked.items()}


def verify(asked: Asked, references: Grouped, guesses: Mapping[str, Guesses]) -> dict[str, tuple[Recording, ...]]:
    """Of each track the alignments that its peaks bear out. Runs in the heavy child."""
    told = [_verify(asked, kind, references, guesses[kind]) for kind in asked]
    return {name: together(chain.from_iterable(found.get(name, ()) for found in told)) for name in chain(*told)}


def look_again(asked: Asked, references: Grouped) -> dict[str, tuple[Recording, ...]]:
    """What a second look at a few tracks bears out, by the accompaniment if there is any. Runs in the heavy child."""
    told = dict[str, tuple[Recording, ...]]()
    kind = STEM_KIND if STEM_KIND in asked else KIND
    for thresholds, packed in references.items():
        names = list(packed)
        peaks = {number: unpack(packed[name]).array for number, name in enumerate(names)}
        found = again(unpack(asked[kind]).array, peaks, thresholds=thresholds)
        told |= {names[number]: _as_heard(some, asked, kind, peaks[number]) for number, some in found.items()}
    return told


def _look_up(packed: bytes, where: Where, listed: Collection[str]) -> Guesses:
    asked = probes(unpack(packed).array)
    found = find_listed(where, KIND, asked.keys, listed)
    guesses: dict[str, list[Hypothesis]] = {}
    for guess in hypotheses(asked, found.keys, found.payloads, pairs=HYPOTHESES, quads=HYPOTHESES):
        track_id = found.tracks[guess.track]
        if track_id in guesses or len(guesses) < TRACKS:  # the best guesses come first
            guesses.setdefault(track_id, []).append(guess)
    return guesses


def _verify(asked: Asked, kind: str, references: Grouped, guesses: Guesses) -> dict[str, tuple[Recording, ...]]:
    query, told = unpack(asked[kind]).array, dict[str, tuple[Recording, ...]]()
    for thresholds, held in references.items():
        names = {guesses[track_id][0].track: track_id for track_id in guesses if track_id in held}
        peaks = {number: unpack(held[track_id]).array for number, track_id in names.items()}
        among = [guess for track_id in names.values() for guess in guesses[track_id]]
        found = recognise(query, peaks, among, thresholds=thresholds)
        told |= {names[number]: _as_heard(some, asked, kind, peaks[number]) for number, some in found.items()}
    return told


def _as_heard(found: tuple[Recording, ...], asked: Asked, kind: str, reference: Peaks) -> tuple[Recording, ...]:
    """Alignments of a query's peaks of one kind, those of its accompaniment told as such."""
    return found if kind == KIND else of_accompaniment(found, unpack(asked[KIND]).array, reference)


def _grouped(references: Mapping[str, bytes], judged_by: Mapping[str, Thresholds]) -> Grouped:
    grouped: dict[Thresholds, dict[str, bytes]] = {}
    for track_id, packed in references.items():
        grouped.setdefault(judged_by[track_id], {})[track_id] = packed
    return grouped


def _few(query: Query, listed: Mapping[str, Candidate], guesses: Mapping[str, Guesses]) -> list[str]:
    """The track ids that windows and votes rank best, in turn, no longer in all than `FEW_S`."""
    by_windows = [[track.track_id or "" for _, track in best[:BY_WINDOWS]] for best in query.best.values()]
    by_votes = [list(islice(found, BY_VOTES)) for found in guesses.values()]
    few, left_s = [], FEW_S
    for name in dict.fromkeys(chain.from_iterable(zip_longest(*by_windows, *by_votes, fillvalue=""))):
        if name in listed and listed[name].duration_s <= left_s:
            few.append(name)
            left_s -= listed[name].duration_s
    return few


def _search_of(stage: StageContext) -> SearchRequest:
    request = stage.request
    assert isinstance(request, SearchRequest)
    return request


async def _asked(stage: StageContext, query: Query) -> Asked:
    """Whatever was separated before, only a depth that separates asks for it: the same search gives the same answer."""
    request = _search_of(stage)
    wanted = pipeline.wanted_by_search(depth_of(request), request.stem_types)
    found = {kind: await _peaks_of(stage, query.audio_id, kind) for kind in (KIND, STEM_KIND) if kind in wanted}
    return {kind: packed for kind, packed in found.items() if packed is not None and len(unpack(packed).array)}


async def _held(stage: StageContext, listed: Mapping[str, Candidate], track_ids: Collection[str]) -> dict[str, bytes]:
    found = {name: await _peaks_of(stage, listed[name].audio_id, KIND) for name in sorted(track_ids)}
    return {name: peaks for name, peaks in found.items() if peaks is not None}


async def _peaks_of(stage: StageContext, audio_id: str, kind: str) -> bytes | None:
    try:
        return await stage.load(audio_id, kind)
    except ArtifactGone:
        if stage.makes_again(audio_id, kind):
            raise
        return None
