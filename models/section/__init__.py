"""Sections: how a track is built, and which section of it is which of another. Read `sections` first, then `align`."""
