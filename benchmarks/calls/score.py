"""Figures of verdicts against truths: no sound here, only tables."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_HEARD = frozenset(
    [
        "human",
        "voicemail",
        "ivr",
        "fax",
        "busy",
        "congestion",
        "no_answer",
        "invalid_number",
        "silence",
        "music",
        "unreadable",
    ]
)
"""Outcomes that the sound alone can tell; the others are said in words, or by the signalling."""


@dataclass(frozen=True)
class Case:
    """One call: what is true of it and what was said of it. None in a truth: not scored."""

    call_id: str
    outcome: str
    is_answered: bool | None
    is_connected: bool | None
    also_acceptable: frozenset[str] = frozenset()
    answered_at: float | None = None
    first_sound: float | None = None
    ring_seconds: float | None = None
    tags: dict[str, str] = field(default_factory=dict)
    """By what tables are cut: scenario, codec, channels …"""

    found_outcome: str = "unknown"
    found_answered: bool | None = None
    found_connected: bool | None = None
    found_answered_at: float | None = None
    found_ring_seconds: float | None = None
    confidence: float | None = None
    amd: str | None = None
    """Status of the peer; None where it was not run."""

    @property
    def scored_outcome(self) -> str:
        """What was found; where it is as good as the truth, the truth's own name."""
        return self.outcome if self.found_outcome in self.also_acceptable else self.found_outcome

    @property
    def is_outcome_right(self) -> bool:
        return self.scored_outcome == self.outcome

    @property
    def is_connected_right(self) -> bool:
        """No verdict on a call that has a truth is a wrong one."""
        return self.found_connected is not None and self.found_connected == self.is_connected


def wilson(right: int, count: int) -> tuple[float, float] | None:
    """95 % interval of a share by E. B. Wilson (1927)."""
    if count == 0:
        return None
    z, share = 1.959964, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        / (1 + z * z / count)
    )
    return middle - half, middle + half


def share(right: int, count: int) -> float | None:
    return right / count if count else None


def connection_figures(cases: Sequence[Case]) -> dict[str, Any]:
    """How right `is_connected` is, over the cases that have a truth."""
    known = [case for case in cases if case.is_connected is not None]
    right = sum(case.is_connected_right for case in known)
    dead = [case for case in known if not case.is_connected]
    living = [case for case in known if case.is_connected]
    false = sum(case.found_connected is True for case in dead)
    missed = sum(case.found_connected is not True for case in living)
    return {
        "n": len(known),
        "accuracy": share(right, len(known)),
        "interval": wilson(right, len(known)),
        "majority": share(max(len(dead), len(living)), len(known)),
        "false_connections": false,
        "false_connection_rate": share(false, len(dead)),
        "false_connection_interval": wilson(false, len(dead)),
        "false_connections_of_all": share(false, len(known)),
        "missed": missed,
        "missed_rate": share(missed, len(living)),
    }


def outcome_figures(cases: Sequence[Case]) -> dict[str, Any]:
    """Accuracy, F1 by class and their mean, confusion.

    `macro_f1` is over the classes that occur in truth and that sound alone can tell,
    `macro_f1_of_all` over all that occur, those that only words can tell included.

    A verdict that is as good as the truth (`also_acceptable`) counts as the truth; `strict_accuracy`
    says how often the very name was found.
    """
    right = sum(case.is_outcome_right for case in cases)
    strict = sum(case.found_outcome == case.outcome for case in cases)
    confusion: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        confusion[case.outcome][case.scored_outcome] += 1
    found = Counter(case.scored_outcome for case in cases)
    classes: dict[str, dict[str, float]] = {}
    for name in sorted(confusion):
        hits = confusion[name][name]
        support = sum(confusion[name].values())
        classes[name] = {
            "n": support,
            "precision": hits / found[name] if found[name] else 0.0,
            "recall": hits / support,
            "f1": 2 * hits / (support + found[name]),
        }
    common = max((entry["n"] for entry in classes.values()), default=0)
    return {
        "n": len(cases),
        "accuracy": share(right, len(cases)),
        "interval": wilson(right, len(cases)),
        "strict_accuracy": share(strict, len(cases)),
        "majority": share(int(common), len(cases)),
        "macro_f1": _mean([row["f1"] for name, row in classes.items() if name in _HEARD]),
        "macro_f1_of_all": _mean([row["f1"] for row in classes.values()]),
        "classes": classes,
        "confusion": {name: dict(row.most_common()) for name, row in sorted(confusion.items())},
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def time_figures(pairs: Sequence[tuple[float | None, float | None]]) -> dict[str, Any]:
    """(true, found) seconds → how far off; pairs without a truth are left out, without a find counted.

    `within_200_ms` is a share of all that have a truth.
    """
    known = [(true, found) for true, found in pairs if true is not None]
    errors = np.array([abs(true - found) for true, found in known if found is not None])
    return {
        "n": len(known),
        "missing": len(known) - len(errors),
        "median": float(np.median(errors)) if len(errors) else None,
        "p90": float(np.quantile(errors, 0.9)) if len(errors) else None,
        "within_200_ms": share(int((errors <= 0.2).sum()), len(known)),
    }


def calibration(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> dict[str, Any]:
    """(confidence, was right) → expected calibration error over equal bins (Naeini 2015), Brier."""
    if not pairs:
        return {"n": 0, "expected_error": None, "brier": None, "bins": []}
    confidence = np.array([pair[0] for pair in pairs])
    right = np.array([pair[1] for pair in pairs], float)
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = []
    for place in range(bins):
        inside = places == place
        if inside.any():
            rows.append(
                {
                    "n": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "right": float(right[inside].mean()),
                }
            )
    error = sum(row["n"] * abs(row["confidence"] - row["right"]) for row in rows) / len(pairs)
    return {
        "n": len(pairs),
        "expected_error": float(error),
        "brier": float(np.mean((confidence - right) ** 2)),
        "bins": rows,
    }


def by_tag(cases: Sequence[Case], tag: str) -> dict[str, dict[str, Any]]:
    """Per value of a tag: how many, share of right connections and outcomes, times off."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for value in (case.tags.get(tag) or "none").split():
            groups[value].append(case)
    table = {}
    for value, group in sorted(groups.items()):
        known = [case for case in group if case.is_connected is not None]
        table[value] = {
            "n": len(group),
            "connected_right": share(sum(c.is_connected_right for c in known), len(known)),
            "outcome_right": share(sum(c.is_outcome_right for c in group), len(group)),
            "answer_time_median": time_figures(
                [(c.answered_at, c.found_answered_at) for c in group]
            )["median"],
        }
    return table


def peer_figures(cases: Sequence[Case]) -> dict[str, Any]:
    """The peer and callmart on the same calls: answered ones on which the peer was run.

    A dialler hands NOTSURE to an agent, so it counts as a person; HANGUP (the sound ended first)
    connects nobody. `peer_accuracy_decided` leaves both out.
    """
    common = [case for case in cases if case.amd is not None and case.is_connected is not None]
    persons = [case for case in common if case.is_connected]
    machines = [case for case in common if not case.is_connected]
    decided = [case for case in common if case.amd in ("HUMAN", "MACHINE")]

    def right(group: Sequence[Case]) -> int:
        return sum(_peer_connects(case) == case.is_connected for case in group)

    ours = sum(case.is_connected_right for case in common)
    return {
        "n": len(common),
        "peer_accuracy": share(right(common), len(common)),
        "peer_interval": wilson(right(common), len(common)),
        "peer_accuracy_decided": share(right(decided), len(decided)),
        "peer_false_connection_rate": share(sum(map(_peer_connects, machines)), len(machines)),
        "peer_missed_rate": share(len(persons) - sum(map(_peer_connects, persons)), len(persons)),
        "peer_statuses": dict(Counter(str(case.amd) for case in common).most_common()),
        "callmart_accuracy": share(ours, len(common)),
        "callmart_interval": wilson(ours, len(common)),
        "peer_errors_by_callmart_errors": (
            (len(common) - right(common)) / (len(common) - ours) if len(common) > ours else None
        ),
    }


def _peer_connects(case: Case) -> bool:
    return case.amd in ("HUMAN", "NOTSURE")
