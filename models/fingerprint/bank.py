"""A bank of changes: the query's peaks are moved in pitch and tempo before pairs are asked for.

A pair is only found again at its own pitch and speed, but needs only two peaks: so what damaged *and* changed the query
is undone by trying (tempo, pitch and speech at once: 100 % found, by quads 67 %; 2026-11-21, 54 tracks). Ten times
dearer than asking once: for two tracks, or the few that a first look ranks best, not for a library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.fingerprint import voting
from models.fingerprint.landmarks import ASKED_PAIRS, pairs_raised, places, probes_of
from models.fingerprint.peaks import BANDS_PER_SEMITONE, Points
from models.fingerprint.voting import Hypothesis

TEMPOS = np.geomspace(0.77, 1.30, 12)
SEMITONES = np.arange(-5.0, 5.5, 0.5)  # whole ones would lose a speed of 1.1, which is 1.65 semitones
PER_VARIANT = 2


def hypotheses(heard: Points, keys: NDArray[np.int64], payloads: NDArray[np.int64], many: int) -> list[Hypothesis]:
    """The best `many` of all 252 variants, each told of the query as it is.

    Args:
        heard: the query's peaks.
        keys, payloads: of the references, as `voting.hypotheses` takes them, but keys rising: looked up so, twenty
            tracks cost a third of what reading all of their rows for each variant does (2026-11-22).
    """
    found = []
    for tempo in map(float, TEMPOS):
        moved = Points(heard.times_s * tempo, heard.bands, heard.strengths_db, heard.ranks)
        asked = probes_of(moved, ASKED_PAIRS, None)
        for semitones in map(float, SEMITONES):
            raised = pairs_raised(asked, round(BANDS_PER_SEMITONE * semitones))
            rows = places(keys, raised.keys)
            found += [
                Hypothesis(
                    track=one.track,
                    tempo_ratio=one.tempo_ratio * tempo,
                    offset_s=one.offset_s,
                    semitones=one.semitones - semitones,
                    score=one.score,
                    around_s=one.around_s / tempo,
                )
                for one in voting.hypotheses(raised, keys[rows], payloads[rows], pairs=PER_VARIANT, quads=0)
            ]
    return voting.distinct(found)[:many]
