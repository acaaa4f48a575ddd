"""The child that looks at other people's files: one path per line in, one JSON line out.

Decoders are C code that has been made to crash, hang and eat memory by bad files before. So they run here, where that
costs a process that holds nothing: limited memory, limited CPU time for each file, no writing of files.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_S = 5  # for one file; an honest one of 100 MB takes less than one


def main() -> None:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread would reserve memory that the limit counts
    from models.audio.probe import probe
    from models.errors import AudioError

    def look(path: str, max_track_s: float | None) -> dict[str, Any]:
        try:
            return asdict(probe(Path(path).read_bytes(), max_track_s))
        except AudioError as error:
            return {"code": error.code, "message": error.message, "remedy": error.remedy}

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print("{}", flush=True)  # noqa: T201  ready
    for line in sys.stdin:
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent_s = int(used.ru_utime + used.ru_stime)
        resource.setrlimit(resource.RLIMIT_CPU, (spent_s + CPU_S, resource.RLIM_INFINITY))
        print(json.dumps(look(*json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
