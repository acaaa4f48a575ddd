"""Hearing and comparing audio: bytes and arrays in, arrays and plain data out.

Nothing here knows Kafka, HTTP, a clock, the network or a file path. Read `hear` first (what happens to one track),
then `verdict` (what happens to a pair).
"""
