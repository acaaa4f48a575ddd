"""Files: from bytes of any container to samples, and back to FLAC. Read `decode` first."""
