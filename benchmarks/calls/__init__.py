"""Labelled call recordings for the connection benchmark.

`make_calls(out, count, seed, speech)` writes recordings and truth.csv; `sources(half, folder)` gives
the voices. sounds.py holds the tones, noises and the line, speech.py the voices and music,
scenarios.py what happens in a call, files.py the codecs and layouts.
"""

from benchmarks.calls.make import COLUMNS, make_call, make_calls, sources

__all__ = ["COLUMNS", "make_call", "make_calls", "sources"]
