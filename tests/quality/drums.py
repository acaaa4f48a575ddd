"""Drum stems: 67 grooves, each played four times, and the drums' encoder beside what else could find them again.

49 grooves are written below, from rock and dembow to bembe, bolero and 9/8; 18 are bars of the training's arranger, for
songs that nothing is trained on. No two are the same after their bars, or any shorter period, are laid upon each other,
hats left out and wherever one begins to count. Renditions of a groove differ in soundfont, kit, keys, tempo, swing,
timing, velocities, fills, cymbals, ghost notes and length, begin anywhere in the bar, and all but the first are worn:
`renditions.worn`. Two soundfonts of four are none that anything is trained on, and none of the grooves is.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from models import card, rhythm, rhythm_card
from models.hear import encode_track
from models.score import agreements
from models.training import corpus
from models.training import drums as learned_from
from models.training.drums import LEAST_STROKES, Essence, Groove, Stroke, essence
from models.training.grooves import KICKS, KITS, SNARES, TIMES, TOMS, drums
from models.training.learn_drums import RECIPE
from models.training.performance import Part, Performance, Production
from models.training.songs import song
from models.training.sound import stem_waveforms
from tests.bench import report
from tests.quality import measures, scale_transform
from tests.quality.changes import RATE_HZ, Samples, wav
from tests.quality.peers import Scores, System
from tests.quality.renditions import Map, Rendition, folder_of, kept, seeded, worn

VERSION = "1"
SEED = 20_261_121
ARRANGED = 18
RENDITIONS = 4
FONTS = ("FluidR3_GM", "MuseScore_General", "TimGM6mb", "OPL-3_FM_128M")
PAIRS = {"same tempo": [(0, 1)], "1.2 apart": [(0, 2), (0, 3), (1, 2), (1, 3)], "1.5 apart": [(2, 3)]}
PARTS = ("all", *PAIRS)
TEMPO_BPM = (85.0, 140.0)  # of a groove's first rendition
TEMPO_RATIOS = ((1.0, 1.0), (0.985, 1.015), (0.75, 0.82), (1.22, 1.33))  # of each rendition to the first: from, to
DURATION_S = (20.0, 30.0)

# Steps a beat; then lanes, a letter of KEYS and a step each: X loud, x, o quiet. Shorter lanes are repeated.
WRITTEN = """
rock              4  Kx.......x.x..... S....x.......x... Hx.
soul              4  Kx.x.......x..x.. S....x.......x... Hx.
disco             4  Kx...x...x...x... S....x.......x... H..x.
motown            4  Kx.....x.x.....x. Sx...x...x...x... Hx.
half time         4  Kx.....x......... S........x....... Hx.
trap              4  Kx.....x...x..x.. S........x....... Hx.x.x.xxx.x.xxxx
train             4  Kx...x...x...x... SxoXoxoXoxoXoxoXo
march             4  Kx.......x....... Sx.xxx.xxx.xxxxxx
bo diddley        4  Kx.......x....... Tx..x..x...x.x... Hx.
amen              4  Kx.x.......xx.... S....x..x.x..x..x Hx.
funky drummer     4  Kx.x...x...x..x.. S....x..o.o.ox..o Hx
apache            4  Kx.......x.....x. S....x.......x... Cx.xxx.xxx.xxx.x. Hx.
think             4  Kx.....x..x...... S....x..x....x.xx Hx.
levee             4  Kxx.....x..xx.... S....x.......x... Hx.
cold sweat        4  Kx.....x...x..... S....x....x....x. Hx.
dembow            4  Kx...x...x...x... S...x..x....x..x. Hx.
baiao             4  Kx..x.... S......x. Hxxxx
samba             4  Kx..xx..xx..xx..x D....X.......X... Lx.x..x.x.x.x..x. Hx
bossa             4  Kx..xx..xx..xx..x Lx..x..x...x..x.. Hx.
songo             4  K...x..x....x..x. S....o..x.o..o.xo Lx...x...x...x... Hx.
mambo             4  K...x..x....x..x. Lx.x.xx.x.x.xx.x. C....x.......x... D......xx......xx
rumba             4  Lx..x...x..x.x... C......xx......xx D...x.......x.... Hx.
one drop          4  K........x....... L........x....... Hx.
steppers          4  Kx...x...x...x... L........x....... S.......x......xx Hx.
afrobeat          4  Kx.x...x.x.....x. S......x.....x..x Hxx.x
second line       4  Kx..x..x....x..x. Sx.xxx.xx.xx.x.xx
two step          4  Kx.........x..... S....x.......x... Hx.
jungle            4  Kx.x.......x..... S....x..x.x....x. Hx.
big beat          4  Kx.....x...x.x... S....x.......x..x Hx.
electro           4  Kx..x..x...x.x... S....x.......x... Hx
baltimore         4  Kx...x...x..x..x. S....x.......x... Hx.
boom bap          4  Kx......x.xx..... S....x.......x... Hx.
double kick       4  Kx S....x.......x... Hx...
blast             4  Kx. S.x Hx.
surf              2  Kx...x... S..xx..x. Hx
jungle toms       4  Kx...x...x...x... Tx.xxx.xxx.xxxxx. H....x...
bolero            6  Kx................. Sx..xxxx..xxxx..x..x..xxxx..xxxxxxxxx
waltz             2  Kx..... S..x.x. Hx
swing             3  Kx..o..o..o.. Rx..x.xx..x.x H...x..
shuffle           3  Kx.....x..x.x S...x..
half-time shuffle 3  Kx....x..x... So.o..oX.oo.o Hx.x
slow blues        3  Kx....xx..... S...x.....x.. Hx
six eight         3  Kx....x S...x.. Hx
bembe             3  Kx.....x..... Lx.x.xx.x.x.x D..xx....xx.. H...x..
five four         4  Kx.....x...x......... S....x.......x...x... Hx.
take five         3  Kx.......x...... Rx..x.xx..x..x.. S.....o..o......
seven eight       4  Kx.......x..... S....x...... D............xx Hx.
money             2  Kx.....x.x..... S..x...x...x.x. Hx
karsilama         4  Kx.......x......... D....x.......x.xx.. Lx...x...x...x.....
"""

KEYS = {
    "K": KICKS,
    "S": (38, 40, 38, 40, 39, 37),
    "H": (42, 42, 44, 51, 54, 70, 82),
    "R": (51, 53, 59),
    "L": (37, 56, 75, 76),  # side stick, cowbell, claves, wood block
    "C": (60, 62, 63),
    "D": (41, 61, 64),
    "T": TOMS,
}
LOUDNESS = {"X": 1.0, "x": 0.85, "o": 0.35}
PITCH_CLASSES = card.load("pitchclass_small")
RHYTHM = rhythm_card.load()
Rng = np.random.Generator


def measure() -> dict[str, Any]:
    every = renditions()
    figures: dict[str, Any] = {"grooves": len(every) // RENDITIONS, "renditions": len(every)}
    figures["learned_from"] = {"grooves": RECIPE.grooves, "of_them_judged_here": _none_of(RECIPE.grooves)}
    figures["recipe"] = every[0].flac.parent.name
    figures["seconds"] = sum(len(one.samples()) for one in every) / RATE_HZ
    figures["systems"] = {system.name: _figures(system, every) for system in SYSTEMS}
    rows = [
        [name, *(f"{row[part][key]:.3f}" for part in PARTS for key in ("map", "top1")), f"{row['times_real_time']:.0f}"]
        for name, row in figures["systems"].items()
    ]
    header = [
        "system",
        "MAP",
        "top-1",
        *(word for part in PARTS[1:] for word in (f"{part} MAP", "top-1")),
        "× real time",
    ]
    report.table(f"{figures['grooves']} grooves, {len(every)} renditions", header, rows)
    return figures


def _figures(system: System, every: Sequence[Rendition]) -> dict[str, Any]:
    """What is found: `all`, every rendition asking among all others; then of two renditions of each groove, by how far
    apart their tempos are, one asking for the other among 133; then `all` by the soundfont that plays what asks, and
    by whether its groove is one of the plain ones, which nothing is trained on the like of; then how scores lie."""
    sys.stderr.write(f"{system.name}\n")
    heard, spent_s, heard_s = [], 0.0, 0.0
    for one in every:
        samples = one.samples()
        began_s = time.process_time()
        heard.append(system.features(samples))
        spent_s += time.process_time() - began_s
        heard_s += len(samples) / RATE_HZ
    scores = system.scores(heard, heard)
    fonts = np.array([font for groove in grooves() for font in _common(groove.name)[1]])
    grooves_of, indexes = np.array([one.work for one in every]), np.array([one.index for one in every])
    figures: dict[str, Any] = {"all": measures.ranking(scores, list(grooves_of))}
    for part, pairs in PAIRS.items():
        some = []
        for pair in pairs:
            among = np.isin(indexes, pair)
            some.append(measures.ranking(scores[np.ix_(among, among)], list(grooves_of[among])))
        figures[part] = {key: float(np.mean([row[key] for row in some])) for key in ("map", "top1")}
    figures["by_soundfont"] = {font: measures.ranking(scores, list(grooves_of), fonts == font) for font in FONTS}
    plain = np.repeat([len(essence(groove)) < LEAST_STROKES["train"] for groove in grooves()], RENDITIONS)
    for part, asked in (("plain", plain), ("not_plain", ~plain)):
        figures[part] = measures.ranking(scores, list(grooves_of), asked)
    same, strangers = measures.pairs(scores, list(grooves_of))
    figures["same_quantiles"] = {str(share): float(np.quantile(same, share)) for share in (0.1, 0.5)}
    figures["strangers_quantiles"] = {str(share): float(np.quantile(strangers, share)) for share in (0.5, 0.95, 0.99)}
    return {**figures, "times_real_time": heard_s / spent_s}


def grooves() -> list[Groove]:
    """All of them. Raises ValueError where two are the same."""
    found: dict[Essence, Groove] = {}
    for groove in itertools.chain(map(_read, WRITTEN.strip().splitlines()), _arranged()):
        arranged = groove.name.startswith("arranged")
        if essence(groove) in found:
            if not arranged:
                raise ValueError(f"'{groove.name}' is '{found[essence(groove)].name}' again")
            continue
        found[essence(groove)] = groove
        if sum(one.name.startswith("arranged") for one in found.values()) == ARRANGED:
            break
    return list(found.values())


def _none_of(count: int) -> int:
    """How many of the training's first `count` grooves are among these. Raises ValueError where it is not 0."""
    names = {essence(groove): groove.name for groove in grooves()}
    learned = map(essence, itertools.islice(learned_from.grooves("train"), count))
    if leaked := [names[one] for one in learned if one in names]:
        raise ValueError(f"learned from and judged by: {', '.join(leaked)}")
    return len(leaked)


def renditions() -> list[Rendition]:
    """All 268, by groove; makes those that are not kept yet. A map is of the groove's beats, from its first one on."""
    folder = folder_of("drums", VERSION + WRITTEN, SEED)
    return [
        kept(folder, groove.name.replace(" ", "-"), index, partial(_rendition, groove, index))
        for groove in grooves()
        for index in range(RENDITIONS)
    ]


def _read(line: str) -> Groove:
    """A groove as `WRITTEN` has it."""
    words = line.split()
    first = next(at for at, word in enumerate(words) if word.isdecimal())
    steps_per_beat, lanes = int(words[first]), words[first + 1 :]
    steps = max(len(lane) - 1 for lane in lanes)
    strokes = [
        (step / steps_per_beat, lane[0], LOUDNESS[mark])
        for lane in lanes
        for step, mark in enumerate(lane[1:] * (steps // (len(lane) - 1)))
        if mark != "."
    ]
    return Groove(" ".join(words[:first]), steps / steps_per_beat, tuple(strokes))


def _arranged() -> Iterable[Groove]:
    """First bars of the drum parts that the training's arranger gives to songs of the test split, without end."""
    letters = dict.fromkeys(KICKS, "K") | dict.fromkeys(SNARES, "S") | dict.fromkeys(TIMES, "H")
    for number in itertools.count():
        composition = song(corpus.SONG_SEEDS["test"] + number)
        for part in drums(composition, composition.beats_per_bar, np.random.default_rng([SEED, number])):
            loudest = float(part.notes[:, 3].max())
            strokes = [
                (float(beat), letters.get(int(key)) or "LCD"[int(key) % 3], float(velocity) / loudest)
                for beat, _, key, velocity in part.notes
            ]
            yield Groove(f"arranged {number}", composition.beats_per_bar, tuple(strokes))


def _common(name: str) -> tuple[float, list[str]]:
    """What the renditions of a groove share out: its tempo, in beats a minute, and who plays which of them."""
    rng = seeded(SEED, name, -1 % 2**32)
    return float(np.exp(rng.uniform(*np.log(TEMPO_BPM)))), [FONTS[at] for at in rng.permutation(len(FONTS))]


def _rendition(groove: Groove, index: int) -> tuple[Samples, Map]:
    bpm, fonts = _common(groove.name)
    rng = seeded(SEED, groove.name, index)
    beat_s = 60 / (bpm * float(rng.uniform(*TEMPO_RATIOS[index])))
    duration_s = float(rng.uniform(*DURATION_S))
    before_s = float(rng.uniform(0, groove.beats * beat_s))
    notes = _played(groove, (duration_s + before_s) / beat_s, rng)
    notes[:, 0] = notes[:, 0] * beat_s - before_s
    notes[:, 0] += rng.normal(0, rng.uniform(0, 0.012), len(notes))
    notes = notes[(notes[:, 0] >= 0) & (notes[:, 0] < duration_s)]
    part = Part("drums", int(rng.choice(KITS)), notes[np.argsort(notes[:, 0], kind="stable")])
    beats = np.arange(np.ceil(before_s / beat_s), (duration_s + before_s) / beat_s)
    seconds = beats * beat_s - before_s
    score_map = np.array([[0.0, duration_s, before_s / beat_s, (before_s + duration_s) / beat_s]])
    performance = Performance((part,), fonts[index], Production(), score_map, duration_s)
    dry = stem_waveforms(performance, RATE_HZ)["drums"]
    return worn(dry, rng) if index else dry, (beats, seconds)


def _played(groove: Groove, beats: float, rng: Rng) -> NDArray[np.float32]:
    """The groove over and over for so many beats: start (in beats), length, key and velocity of every stroke."""
    keys = {letter: int(rng.choice(choices)) for letter, choices in KEYS.items()}
    level, spread = rng.uniform(70, 115), rng.uniform(0, 10)
    swing = rng.uniform(-0.02, 0.06) if rng.random() < 0.5 else 0.0
    fills = int(rng.choice([0, 4, 8]))
    strokes = [*_with_cymbals(groove, rng), *_ghosts(groove, rng)]
    rows = []
    for turn in range(int(beats / groove.beats) + 1):
        start, fill = turn * groove.beats, bool(fills) and turn % fills == fills - 1
        if fills and turn and turn % fills == 0:
            rows.append((start, 0.2, 49.0, level))
        for beat, letter, loud in strokes:
            if (fill and beat >= groove.beats / 2) or rng.random() < 0.02:
                continue
            velocity = level * loud + rng.normal(0, spread)
            rows.append((start + _swung(beat, swing), 0.2, keys[letter], velocity))
        if fill:
            places = np.arange(groove.beats / 2, groove.beats, rng.choice([0.25, 0.5]))
            down = sorted(rng.choice(TOMS, len(places)), reverse=True)
            rows += [(start + at, 0.2, tom, level) for at, tom in zip(places, down, strict=True)]
    return np.array(rows, np.float32)


def _with_cymbals(groove: Groove, rng: Rng) -> list[Stroke]:
    """The strokes with their cymbals as written, left out, in eighths, in quarters, or with some more and some less."""
    others = [stroke for stroke in groove.strokes if stroke[1] != "H"]
    written = [stroke for stroke in groove.strokes if stroke[1] == "H"]
    match rng.choice(["written", "none", "eighths", "quarters", "changed"], p=[0.4, 0.15, 0.15, 0.1, 0.2]):
        case "written":
            return others + written
        case "none":
            return others
        case "eighths":
            return others + [(float(beat), "H", 0.7) for beat in np.arange(0, groove.beats, 0.5)]
        case "quarters":
            return others + [(float(beat), "H", 0.7) for beat in np.arange(0, groove.beats, 1.0)]
    changed = [stroke for stroke in written if rng.random() < 0.8]
    more = [(float(beat), "H", 0.5) for beat in np.arange(0, groove.beats, 0.25) if rng.random() < 0.15]
    return others + changed + more


def _ghosts(groove: Groove, rng: Rng) -> list[Stroke]:
    """Quiet strokes of the snare on sixteenths, in four renditions of ten."""
    if rng.random() < 0.6:
        return []
    return [(float(beat), "S", 0.3) for beat in np.arange(0.25, groove.beats, 0.25) if rng.random() < 0.15]


def _swung(beat: float, swing: float) -> float:
    """The beat with what lies between two beats moved later, the middle by `swing`."""
    whole, within = divmod(beat, 1.0)
    return float(whole + np.interp(within, [0, 0.5, 1], [0, 0.5 + swing, 1]))


# --- what is compared: the shipped encoder, the descriptor that it replaced, and what was there before


def encoded(samples: Samples) -> NDArray[np.float32]:
    return rhythm.rhythm(samples, RHYTHM)


def encoded_and_described(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return encoded(samples), scale_transform.descriptor(samples)


def mean_agreements(queries: Sequence[Any], candidates: Sequence[Any]) -> Scores:
    """The mean of the scores of both."""
    each = zip(zip(*queries, strict=True), zip(*candidates, strict=True), strict=True)
    return np.asarray(np.mean([agreements(some, others) for some, others in each], axis=0))


def single_scale_transform(samples: Samples) -> NDArray[np.float32]:
    """As Holzapfel and Stylianou 2011: one onset strength, its autocorrelation, the scale transform's magnitude."""
    strength = librosa.onset.onset_strength(y=samples, sr=RATE_HZ, hop_length=RHYTHM.hearing.hop_samples)
    rows = []
    for start, end in rhythm.windows(len(strength), RHYTHM.hearing):
        lags = librosa.autocorrelate(strength[start:end] - strength[start:end].mean())
        rows.append(np.abs(librosa.fmt(lags / lags[0], beta=0.5))[:200])
    return scale_transform.unit(np.array(rows))


def tempo_kept(samples: Samples) -> NDArray[np.float32]:
    """The correlations themselves, at the lags where they are."""
    return scale_transform.unit(np.stack([*map(scale_transform.lag_curves, scale_transform.windows_of(samples))]))


def mean_curves(samples: Samples) -> NDArray[np.float64]:
    curves = [*map(scale_transform.lag_curves, scale_transform.windows_of(samples))]
    return np.asarray(np.mean(curves, axis=0)).reshape(9, -1)


def best_shift(queries: Sequence[NDArray[np.float64]], candidates: Sequence[NDArray[np.float64]]) -> Scores:
    """The greatest cosine of the curves, one moved along the axis of lags by up to a tempo ratio of 1.8."""
    most = round(np.log(1.8) / scale_transform.LAG_STEP)
    lags = queries[0].shape[1]
    found = np.zeros((len(queries), len(candidates)))
    asked, held = np.stack(queries), np.stack(candidates)
    for shift in range(-most, most + 1, 2):
        here, there = slice(max(0, shift), lags + min(0, shift)), slice(max(0, -shift), lags + min(0, -shift))
        shifted = scale_transform.unit(asked[:, :, here]) @ scale_transform.unit(held[:, :, there]).T
        found = np.maximum(found, shifted)
    return found


def pitch_classes(samples: Samples) -> NDArray[np.float32]:
    return encode_track(wav(samples), PITCH_CLASSES).latents


def _by_chance(queries: Sequence[Any], candidates: Sequence[Any]) -> Scores:
    return np.random.default_rng(SEED).random((len(queries), len(candidates)))


SYSTEMS = (
    System(RHYTHM.model_version, encoded, agreements),
    System("scale transform of bands' correlations", scale_transform.descriptor, agreements),
    System("mean of both", encoded_and_described, mean_agreements),
    System("… tempo kept", tempo_kept, agreements),
    System("… best shift of the lags", mean_curves, best_shift),
    System("scale transform of one onset strength", single_scale_transform, agreements),
    System(f"{PITCH_CLASSES.model_version}, windows", pitch_classes, agreements),
    System("chance", len, _by_chance),
)
