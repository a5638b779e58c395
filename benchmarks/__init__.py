"""What callmart measures of itself, each benchmark a module of its own.

A module says in its docstring what data, which measure, what it is held against and the goal; it
has `OPTIONS` (name → what it means) and `run(options)`, which gives `name, n, seconds, peer, ratio,
goal` and figures of its own. `callmart bench NAME` runs one, `make benchmark` all of them.
"""
