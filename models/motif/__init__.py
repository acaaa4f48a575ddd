"""Motifs: the same melody in any key and tempo.

Read `salience` (what a track stores) first, then `chains` (keys made of it), `voting` (where a melody may lie) and
`motifs` (whether it does).
"""
