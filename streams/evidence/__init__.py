"""One match as one page: read `card` first."""
