"""What a section may be for: intro, verse, chorus, bridge, outro; guessed from the habits of songs, no more.

Nothing here was measured on songs whose parts people named: a guess is never surer than `GUESSED`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GUESSED = 0.5
SHORT = 0.75  # of the median section
LOUDER_DB = 1.0

Guess = tuple[str | None, float]


def guessed(labels: Sequence[str], edges: NDArray[np.intp], loudness_db: NDArray[np.float32]) -> list[Guess]:
    """A name for every section that habit has one for, and how sure it is, 0..`GUESSED`; else None and 0.

    The chorus is what returns, and the loudest of that; the verse returns too, and comes before it. What is heard once
    within is a bridge, once at an end and short or quiet an intro or outro. What does not return at all is no song.

    Args:
        labels: letters of the sections, in order.
        edges: the first beat of every section, and the number of beats.
        loudness_db: of every beat, (beats,).
    """
    guesses: list[Guess] = [(None, 0.0)] * len(labels)
    times = Counter(labels)
    returning = [label for label in times if times[label] > 1]
    if len(labels) < 4 or not returning:
        return guesses
    beats = np.diff(edges)
    level_db = np.add.reduceat(loudness_db.astype(np.float64), edges[:-1]) / beats
    of_label = {label: float(level_db[[own == label for own in labels]].mean()) for label in times}
    chorus = max(returning, key=lambda label: of_label[label])
    first_chorus = labels.index(chorus)
    before = [label for label in returning if label != chorus and labels.index(label) < first_chorus]
    verse = max(before, key=lambda label: times[label], default=None)
    clear = verse is not None and of_label[chorus] - of_label[verse] > LOUDER_DB
    for place, label in enumerate(labels):
        if label == chorus and verse is not None:
            guesses[place] = ("chorus", GUESSED if clear else GUESSED / 2)
        elif label == verse:
            guesses[place] = ("verse", GUESSED if clear else GUESSED / 2)
        elif times[label] == 1 and first_chorus < place < len(labels) - 1:
            guesses[place] = ("bridge", GUESSED / 2)
    usual_beats, usual_db = float(np.median(beats)), float(np.median(level_db))
    for place, name in ((0, "intro"), (len(labels) - 1, "outro")):
        slight = beats[place] < SHORT * usual_beats or level_db[place] < usual_db - LOUDER_DB
        if slight or times[labels[place]] == 1:
            guesses[place] = (name, GUESSED if slight else GUESSED / 2)
    return guesses
