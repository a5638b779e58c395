"""`python -m benchmarks.calls OUT`: see make.py."""

from benchmarks.calls.make import main

main()
