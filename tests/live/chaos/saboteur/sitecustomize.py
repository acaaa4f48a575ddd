"""Put on PYTHONPATH of a home's processes by the delivery suite: makes some inputs deadly, endless or slow to decode.

Which ones is written in their bytes: KILLS-ITS-CHILD, NEVER-ENDS, TAKES-3-SECONDS. Decode's time limit becomes short,
so that the endless one is seen to be ended within a test.
"""

import functools
import os
import signal
import sys
import time
from dataclasses import replace

DECODE_LIMIT_S = 10.0


def shorten_decode() -> None:
    from streams import pipeline

    pipeline.STAGES = tuple(
        replace(stage, time_limit_s=DECODE_LIMIT_S) if stage.name == "decode" else stage for stage in pipeline.STAGES
    )


def sabotage_decoding() -> None:
    from models import hear

    decode_track = hear.decode_track

    @functools.wraps(decode_track)
    def sabotaged(data: bytes, *rest: object) -> object:
        if b"KILLS-ITS-CHILD" in data:
            os.kill(os.getpid(), signal.SIGKILL)
        if b"NEVER-ENDS" in data:
            time.sleep(3_600)
        if b"TAKES-3-SECONDS" in data:
            time.sleep(3)
        return decode_track(data, *rest)

    hear.decode_track = sabotaged


if "streams.heavy" in sys.orig_argv:
    sabotage_decoding()
elif "worker" in sys.orig_argv:
    shorten_decode()
