"""Postings: what is put is found by its keys, and by nothing else."""

from __future__ import annotations

import os
import pickle
import struct
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from streams.errors import Unavailable
from streams.stores import segments
from streams.stores.postings import NUMBER_BITS, InvertedIndex

DEMO = InvertedIndex("acme", "demo", "fingerprint", "1")
OTHER = InvertedIndex("acme", "other", "fingerprint", "1")


@pytest.fixture
def postings(tmp_path):
    return segments.SegmentPostings(tmp_path / "postings")


def rows(*keys, first=0):
    return np.array(sorted(keys), np.int64), np.arange(first, first + len(keys), dtype=np.int64)


def found(postings, *keys, index=DEMO):
    """What `find` gives: (track, key, the model's part of the payload)."""
    held = postings.find(index, np.array(keys, np.int64))
    numbers, payloads = held.payloads >> NUMBER_BITS, held.payloads & (2**NUMBER_BITS - 1)
    return sorted(
        (held.tracks[number], key, payload)
        for number, key, payload in zip(numbers.tolist(), held.keys.tolist(), payloads.tolist(), strict=True)
    )


def test_rows_are_found_by_their_keys_with_the_track_that_holds_them(postings):
    postings.put(DEMO, "a", *rows(5, 7, 7))
    postings.put(DEMO, "b", *rows(7, 9))
    assert found(postings, 7, 5) == [("a", 5, 0), ("a", 7, 1), ("a", 7, 2), ("b", 7, 0)]
    assert found(postings, 6) == []
    assert postings.tracks(DEMO) == {"a": 3, "b": 2}


def test_a_key_that_is_asked_for_twice_is_answered_once(postings):
    postings.put(DEMO, "a", *rows(5))
    assert found(postings, 5, 5) == [("a", 5, 0)]


def test_more_keys_than_rows_and_more_rows_than_keys_are_answered_alike_and_in_order(postings):
    held = np.arange(0, 3_000, 3, dtype=np.int64)
    postings.put(DEMO, "a", held, held)
    for asked in (np.arange(3_100, dtype=np.int64)[::-1], held[::50]):
        found_keys = postings.find(DEMO, asked).keys
        assert found_keys.tolist() == sorted(set(held.tolist()) & set(asked.tolist()))


def test_putting_a_track_again_changes_nothing(postings):
    postings.put(DEMO, "a", *rows(5, 6))
    postings.put(DEMO, "a", *rows(5, 6))
    assert found(postings, 5, 6) == [("a", 5, 0), ("a", 6, 1)]
    assert postings.tracks(DEMO) == {"a": 2}


def test_segments_are_merged_and_nothing_is_lost_or_found_twice(postings, monkeypatch):
    monkeypatch.setattr(segments, "FANOUT", 4)
    names = [f"track-{number}" for number in range(4**2 + 4 + 3)]
    for number, name in enumerate(names):
        postings.put(DEMO, name, *rows(7, 100 + number % 5))
    assert len(list(postings.folder.rglob("*.segment"))) == 1 + 1 + 3
    assert sorted(name for name, _, _ in found(postings, 7)) == sorted(names)
    assert len(found(postings, 103)) == sum(number % 5 == 3 for number in range(len(names)))


def test_a_merging_that_was_killed_before_it_tidied_up_leaves_nothing_twice(postings, monkeypatch):
    monkeypatch.setattr(segments, "FANOUT", 4)
    for number in range(3):
        postings.put(DEMO, f"track-{number}", *rows(7))
    left = {path: path.read_bytes() for path in postings.folder.rglob("*.segment")}
    postings.put(DEMO, "last", *rows(7))
    for path, data in left.items():
        path.write_bytes(data)
    assert len(found(postings, 7)) == 4
    for number in range(4):
        postings.put(DEMO, f"more-{number}", *rows(7))
    assert len(found(postings, 7)) == 2 * 4


def test_indexes_are_apart_and_one_that_nothing_was_put_into_is_empty(postings):
    assert found(postings, 5) == []
    assert postings.tracks(DEMO) == {}
    postings.put(DEMO, "a", *rows(5))
    postings.put(OTHER, "b", *rows(5))
    assert found(postings, 5, index=OTHER) == [("b", 5, 0)]


def test_where_too_many_rows_have_the_keys_the_commonest_are_left_out(postings, monkeypatch):
    monkeypatch.setattr(segments, "MOST_FOUND", 5)
    for number in range(4):
        postings.put(DEMO, f"track-{number}", *rows(7, 20 + number))
    assert {key for _, key, _ in found(postings, 7, 20, 21, 22)} == {20, 21, 22}
    assert len(found(postings, 7)) == 4


def test_segments_that_are_large_already_are_merged_no_further(postings, monkeypatch):
    monkeypatch.setattr(segments, "FANOUT", 4)
    monkeypatch.setattr(segments, "MOST_MERGED", 10)
    for number in range(8):
        postings.put(DEMO, f"track-{number}", *rows(7, 8, 9))
    assert len(list(postings.folder.rglob("*.segment"))) == 8
    assert len(found(postings, 7)) == 8


def test_an_index_that_was_written_beside_takes_the_old_one_s_place_at_once(postings, tmp_path):
    postings.put(DEMO, "old", *rows(5))
    anew = segments.SegmentPostings(tmp_path / "anew")
    anew.put(DEMO, "new", *rows(5))
    postings.replace(DEMO, anew)
    assert found(postings, 5) == [("new", 5, 0)]
    postings.replace(DEMO, anew)
    assert found(postings, 5) == [], "nothing was put into the other one since"
    assert [path.name for path in postings.folder.iterdir()] == [DEMO.name]


def test_a_track_without_rows_is_known(postings):
    postings.put(DEMO, "silent", *rows())
    assert postings.tracks(DEMO) == {"silent": 0}
    assert found(postings, 5) == []


def test_names_tell_tenants_datasets_kinds_and_versions_apart():
    names = {
        InvertedIndex(*parts).name
        for parts in [("a", "bc", "k", "1"), ("ab", "c", "k", "1"), ("a", "bc", "l", "1"), ("a", "bc", "k", "2")]
    }
    assert len(names) == 4


@pytest.mark.parametrize("tracks", [1, 2, 256, 257])
def test_the_outermost_keys_and_payloads_of_every_track_are_found_as_they_were_put(postings, tracks):
    keys = np.array([0, 1, 0x4FFFF, 0x50000, 0x50001, 2**31 - 1], np.int64)
    payloads = np.array([0, 2**32 - 1, 2**32, 2**39, 2**40 - 2, 2**40 - 1], np.int64)
    _write(postings, keys, payloads, tracks)
    for number, (key, payload) in enumerate(zip(keys.tolist(), payloads.tolist(), strict=True)):
        expected = [(f"track-{track:03}", key, payload) for track in range(tracks)]
        assert found(postings, key) == expected, f"row {number} of each track"
    assert len(found(postings, *keys.tolist())) == len(keys) * tracks


def test_merging_keeps_payloads_whole_when_the_tracks_numbers_take_more_bytes(postings, monkeypatch):
    monkeypatch.setattr(segments, "FANOUT", 2)
    payloads = np.array([2**40 - 1], np.int64)
    for number in range(512):
        postings.put(DEMO, f"track-{number:03}", np.array([7]), payloads)
    assert [path.name[0] for path in postings.folder.rglob("*.segment")] == ["9"]
    assert found(postings, 7) == [(f"track-{number:03}", 7, 2**40 - 1) for number in range(512)]


@pytest.mark.parametrize(("tracks", "row_bytes"), [(1, 9), (16, 10), (256, 10), (257, 12)])
def test_a_row_takes_as_many_bytes_as_its_track_s_number_needs(postings, tracks, row_bytes):
    rows_of_each = 25_000 if tracks == 1 else 2_000
    _write(postings, np.arange(rows_of_each), np.arange(rows_of_each), tracks)
    (path,) = postings.folder.rglob("*.segment")
    assert path.stat().st_size / (rows_of_each * tracks) == pytest.approx(row_bytes, abs=0.02)


def _write(postings, keys, payloads, tracks):
    """One segment of so many tracks, each of which has these rows."""
    home = postings.folder / DEMO.name
    home.mkdir(parents=True)
    every = np.repeat(payloads, tracks) | np.tile(np.arange(tracks), len(payloads)) << NUMBER_BITS
    names = tuple(f"track-{number:03}" for number in range(tracks))
    counts = (len(keys),) * tracks
    segments.write(home, segments.Segment(names, counts, np.repeat(keys, tracks).astype(np.int32), every))


def _put(postings, name):
    postings.put(DEMO, name, *rows(*range(2_000)))


def test_several_processes_write_to_one_index_and_nothing_is_lost(postings):
    names = [f"track-{number}" for number in range(12)]
    with ProcessPoolExecutor(3) as pool:
        for job in [pool.submit(_put, postings, name) for name in names]:
            job.result()
    assert postings.tracks(DEMO) == dict.fromkeys(names, 2_000)
    assert len(found(postings, 77)) == 12


def test_a_broken_file_is_a_fault_of_the_infrastructure_that_says_what_to_do(postings):
    postings.put(DEMO, "a", *rows(5))
    (path,) = postings.folder.rglob("*.segment")
    path.write_bytes(b"nothing of the kind" * 1_000)
    with pytest.raises(Unavailable, match="postings fingerprint-") as raised:
        found(postings, 5)
    assert "reindex" in raised.value.remedy


def test_a_file_that_lacks_its_last_byte_is_not_read(postings):
    postings.put(DEMO, "a", *rows(5))
    (path,) = postings.folder.rglob("*.segment")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Unavailable, match="cannot be read"):
        found(postings, 5)


def test_what_an_earlier_build_wrote_is_read_and_merged_into_what_is_written_now(postings):
    postings.put(DEMO, "a", *rows(5))
    (path,) = postings.folder.rglob("*.segment")
    told = path.read_bytes()[segments.HEAD.size :][:-9]
    path.write_bytes(segments.HEAD.pack(b"postings", 1, len(told)) + told + struct.pack("<qi", 0, 5))
    assert found(postings, 5) == [("a", 5, 0)]
    for number in range(segments.FANOUT - 1):
        postings.put(DEMO, f"b{number}", *rows(6))
    (merged,) = postings.folder.rglob("*.segment")
    assert merged.read_bytes().startswith(segments.MAGIC)
    assert found(postings, 5) == [("a", 5, 0)]


def test_the_store_can_be_sent_to_the_heavy_child(postings):
    postings.put(DEMO, "a", *rows(5))
    sent = pickle.loads(pickle.dumps(postings))  # noqa: S301  our own bytes
    assert found(sent, 5) == [("a", 5, 0)]


def test_what_a_killed_writer_left_is_swept_away_once_nobody_can_be_writing_it(postings):
    postings.put(DEMO, "a", *rows(5))
    (home,) = postings.folder.iterdir()
    old, young = home / "0-old.segment.partial", home / "0-young.segment.partial"
    for left in (old, young):
        left.write_bytes(b"half")
    long_ago = time.time() - 2 * segments.ABANDONED_S
    os.utime(old, (long_ago, long_ago))
    postings.put(DEMO, "b", *rows(6))
    assert (old.exists(), young.exists()) == (False, True)
    assert found(postings, 5, 6) == [("a", 5, 0), ("b", 6, 0)]
