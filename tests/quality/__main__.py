"""`ops/quality [NAME…]`: how well it finds. Nothing here passes or fails: it is the floor that later encoders must
beat.

`arrangements`: every clip is a query among the others; found is the same composition in another arrangement.
`ladder`: every clip, changed in one way, is a query among all unchanged ones; found is the clip itself.
`ear`: re-arranged and changed music of two Debian packages, encoders beside their peers; half an hour the first time.
`synthetic`: held-out compositions, four performances each, a melody alone among them; needs the extra `train`.
`chances`: what `p_chance` says of strangers, of a pair by itself and in a dataset; needs it, and eSpeak NG.
`drums`: grooves, four performances each as drum stems: the drums' encoder beside others; needs it as well.
`stems`: the separator on held-out songs and on played pieces, beside what needs no learning; needs the extra `train`.
`layers`: matching with stems and without, vocals alone, music under speech; needs it as well.
`looks`: what recognition finds besides by the accompaniment and at a second look; needs it, and eSpeak NG.
`motifs`: borrowed melodies in any key and tempo among 1,000 tracks, and what is none; needs it, and eSpeak NG.
`recordings`: excerpts, damaged, among whole tracks, strangers, samples: the fingerprint beside chromaprint and another.
`sections`: where songs are cut, which parts are the same, and which part of another performance each is; needs it too.
`verdicts`: pairs of each class compared in full, sound marks too: which verdict is told; needs it, and eSpeak NG.
`voice`: singers nobody learned from, four songs each: who is who, beside averaged cepstra; needs it, and eSpeak NG.
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path

from tests.bench import report

NAMES = (
    "arrangements",
    "ladder",
    "ear",
    "synthetic",
    "chances",
    "drums",
    "stems",
    "layers",
    "looks",
    "motifs",
    "recordings",
    "sections",
    "verdicts",
    "voice",
)
RESULTS = Path(__file__).with_name("results")


def main() -> None:
    # Before numpy comes: these matrices are small, and threads that wait for each other cost 25 times what they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(prog="ops/quality", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all when none is given")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON files")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    for name in asked.names or NAMES:
        about = report.circumstances(f"ops/quality {name}")
        print(f"\n── {name}: {about['machine']}, load {os.getloadavg()[0]:.1f}", flush=True)
        measured = import_module(f"tests.quality.{name}")
        figures = measured.measure()
        path = report.keep(name, asked.out, about, figures)
        if hasattr(measured, "picture"):
            measured.picture(figures, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
