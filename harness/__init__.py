"""The engine that turns a paper's claims into measured verdicts."""

__version__ = "0.1.0"
