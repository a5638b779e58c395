"""Every recording of the landing zone whose truth is written down."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ml.inspection import Inspection, inspect_recording

# A sound that the truth itself notes beside the first word.
SLACK_SECONDS = 0.5


def inspect_row(root: Path, row: dict[str, str]) -> Inspection:
    files = [root / name for name in row["file"].split()]
    if len(files) == 2:
        return inspect_recording(agent_path=files[0], customer_path=files[1], with_emotion=False)
    return inspect_recording(path=files[0], with_emotion=False)


def is_near(found: float | None, wanted: str) -> bool:
    if not wanted:
        return found is None
    return found is not None and abs(found - float(wanted)) <= SLACK_SECONDS


def test_truth(test_data: Path) -> None:
    root = test_data / "landing"
    with (root / "truth.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 40
    wrong: list[str] = []
    for row in rows:
        found = inspect_row(root, row)
        report, call = found.report, row["call_id"]
        accepted = {row["outcome"], *row["also_acceptable"].split("|")} - {""}
        if report["outcome"] not in accepted:
            wrong.append(f"{call}: {report['outcome']}, not {accepted}")
            continue
        if report["outcome"] == "unreadable":
            if not report["reason"]:
                wrong.append(f"{call}: no reason")
            continue
        if report["is_connected"] != (row["is_connected"] == "true"):
            wrong.append(f"{call}: is_connected {report['is_connected']}")
        # Where another outcome is accepted (an announcement heard as a machine's prompt), what
        # picked up follows that outcome.
        if report["outcome"] == row["outcome"] and report["is_answered"] != (
            row["is_answered"] == "true"
        ):
            wrong.append(f"{call}: is_answered {report['is_answered']}")
        if not is_near(report["ring_seconds"], row["ring_seconds_in_file"]):
            wrong.append(f"{call}: rang {report['ring_seconds']}")
        first = min((turn[1] for turn in found.turns), default=None)
        if not is_near(first, row["first_speech_seconds"]):
            wrong.append(f"{call}: first speech {first}, not {row['first_speech_seconds']}")
        for side in ("agent", "customer"):
            wanted = row[f"first_speech_{side}_seconds"]
            figures = report["speech"][side]
            if wanted and not is_near(figures and figures["first_speech_seconds"], wanted):
                wrong.append(f"{call}: first speech of {side} {figures}, not {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["C-20261118-0040.wav", "C-20261118-0020.wav"])
def test_emotion_of_a_real_call(test_data: Path, name: str) -> None:
    path = test_data / "landing" / "recordings" / "dt=2026-11-18" / name
    found = inspect_recording(path=path)
    emotion = found.report["emotion"]
    if found.report["channels"] == 1:
        # Nobody can say whose voice it is; what was heard is kept under `mixed`.
        assert emotion == {"agent": None, "customer": None}
        assert set(found.emotions) == {"mixed"}
        return
    for side in ("agent", "customer"):
        assert sum(emotion[side]["probabilities"].values()) == pytest.approx(1.0, abs=0.01)
        assert 0 <= emotion[side]["index"] <= 100
        assert found.emotions[side].segments
