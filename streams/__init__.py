"""soundtrace: tracks go in by Kafka or HTTP, scored matches come out. Read `pipeline.py` first."""

__version__ = "0.1.0"
