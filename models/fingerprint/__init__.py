"""Fingerprints: the same recording, also changed.

Read `peaks` (what a track stores) first, then `landmarks` (keys made of them), `voting` (where a query may lie) and
`recognise` (whether it does).
"""
