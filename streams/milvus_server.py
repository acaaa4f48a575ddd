"""Our own entry to Milvus Lite: `python -m streams.milvus_server DATA_DIR --port N`.

The server that milvus-lite ships lost acknowledged rows after a kill: two first calls at once opened one
collection twice on one log, and writes take no lock. It also listens on every interface and does not know SIGTERM.
Here

- one thread serves all calls, in sequence: nothing in the engine is ever entered twice, and a search never sees the
  moment within a flush when rows are in neither the memory table nor a segment. It costs little, as the engine is
  Python under one lock anyway;
- every collection is opened and loaded before the port opens: a port that answers is ready;
- SIGTERM and SIGINT stop it cleanly, with everything on disk, exit code 0;
- the file `RUNNING` exists from the first moment to the last of a clean stop. Who finds it at the start follows an
  unclean stop, and says so through Milvus itself: it makes an empty collection `unclean_<id>`, which every client
  can see and which `Vectors.mended(id)` drops. A later unclean start replaces the mark by one with a new id, so that
  one comparison with the catalogue settles all kills before it, and none after it.

There is no authentication: bind it to loopback, or to a network of its own.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

UNCLEAN_PREFIX = "unclean_"
DRAIN_S = 5.0
MESSAGE_MAX_BYTES = 256 * 1024 * 1024  # what Milvus standalone takes
ENVIRONMENT = {
    # Read by the engine when imported. With its default of 128 MB an insert that flushes waits 6 s, with this 2.5 s.
    "MILVUS_LITE_MEMTABLE_MEMORY_LIMIT_BYTES": str(32 * 1024 * 1024),
    "OMP_NUM_THREADS": "1",  # with more, FAISS threads spin against each other on a small machine
    "PYTHON_DOTENV_DISABLED": "1",  # pymilvus reads any `.env` it finds upwards from itself
}


def main(data_dir: Path, host: str = "127.0.0.1", port: int = 19530) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code: 0 after a clean stop, 1 if it could not start."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from milvus_lite.db import MilvusLite
    from milvus_lite.exceptions import DataDirLockedError

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    try:
        database = MilvusLite(str(data_dir))
    except DataDirLockedError:
        return _refuse(f"{data_dir} is in use by another server: stop that one, or give another folder")
    running = data_dir / "RUNNING"
    unclean = running.exists()
    running.touch()
    _sync(data_dir)

    if not _open_all(database, data_dir) or unclean:
        _mark(database)
    calls = ThreadPoolExecutor(1, "milvus-call")
    try:
        server, bound_port = _listen(database, calls, host, port)
    except RuntimeError as error:
        code = _refuse(f"cannot listen on {host}:{port} ({error}): is another server there?")
    else:
        sys.stdout.write(f"milvus listens on {host}:{bound_port}\n")
        sys.stdout.flush()
        stop.wait()
        server.stop(DRAIN_S).wait()
        # One that overran the drain is still in the engine: never close under it.
        calls.shutdown(cancel_futures=True)
        code = 0
    database.close()
    _sync(data_dir, *data_dir.rglob("*"))  # the engine leaves its files in the page cache
    running.unlink()
    return code


def _open_all(database: Any, data_dir: Path) -> bool:
    """Open and load every collection; move those that cannot be opened into `unreadable`. False: there were any.

    A kill leaves collections half made or half dropped, a loss of power torn ones. Left in place, one of them would
    keep the server from starting, or its name from being used. What was in it is restored from the blobs.
    """
    from milvus_lite.exceptions import MilvusLiteError

    whole = True
    for folder in sorted((data_dir / "collections").iterdir()):
        try:
            collection = database.get_collection(folder.name)
        # Of what the system refuses only "no such file": a full disk or too many open files are no fault of the folder.
        except (MilvusLiteError, ValueError, TypeError, KeyError, FileNotFoundError):
            aside = data_dir / "unreadable"
            aside.mkdir(exist_ok=True)
            folder.rename(aside / f"{folder.name}_{secrets.token_hex(4)}")
            sys.stderr.write(f"milvus: collection {folder.name} cannot be opened and was moved into {aside}\n")
            whole = False
        else:
            _load(collection, folder)
    return whole


def _load(collection: Any, folder: Path) -> None:
    """Bring a collection's search index into memory; make it anew from the rows if its file was torn by a kill."""
    try:
        collection.load()
    except (RuntimeError, ValueError, MemoryError):  # what FAISS makes of half a file; the engine writes it in place
        for torn in folder.rglob("*.idx"):
            torn.unlink()
        collection.load()


def _mark(database: Any) -> None:
    """Make one mark with a new id, then drop the older ones: at no moment is there none."""
    from milvus_lite.schema.types import CollectionSchema, DataType, FieldSchema

    marks = [name for name in database.list_collections() if name.startswith(UNCLEAN_PREFIX)]
    key = FieldSchema(name="id", dtype=DataType.INT64, is_primary=True)
    nothing = FieldSchema(name="vector", dtype=DataType.FLOAT_VECTOR, dim=2)
    database.create_collection(f"{UNCLEAN_PREFIX}{secrets.token_hex(6)}", CollectionSchema(fields=[key, nothing]))
    for name in marks:
        database.drop_collection(name)


def _listen(database: Any, calls: ThreadPoolExecutor, host: str, port: int) -> tuple[Any, int]:
    import grpc  # type: ignore[import-untyped]
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from pymilvus.grpc_gen import milvus_pb2_grpc

    server = grpc.server(
        calls,
        options=[
            ("grpc.max_receive_message_length", MESSAGE_MAX_BYTES),
            ("grpc.max_send_message_length", MESSAGE_MAX_BYTES),
            ("grpc.so_reuseport", 0),  # else a second server on this port would take half of the calls
            ("grpc.http2.max_ping_strikes", 0),  # clients ping during a long flush: that is no reason to hang up
        ],
    )
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
    bound_port = server.add_insecure_port(f"{host}:{port}")
    server.start()
    return server, bound_port


def _sync(*paths: Path) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refuse(reason: str) -> int:
    sys.stderr.write(f"milvus: {reason}\n")
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m streams.milvus_server", description="Milvus Lite as a server.")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--host", default="127.0.0.1", help="there is no authentication: keep it on loopback")
    parser.add_argument("--port", type=int, default=19530, help="0: any free one, named on standard output")
    arguments = parser.parse_args()
    sys.exit(main(arguments.data_dir, arguments.host, arguments.port))
