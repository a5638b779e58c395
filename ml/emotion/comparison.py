"""The families beside each other on one page, from their cards alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHAT = {
    "pca": "principal components of the functionals, a linear classifier",
    "neural": "small neural networks over the functionals, averaged",
    "gmm": "a Gaussian mixture over frames, adapted to the voice; a linear classifier",
}


def compare(cards: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown page: data, figures by family and label with intervals, failings, command.

    Args:
        cards: family → its card, as a model holds it; the first gives what they have in common.
    """
    first = next(iter(cards.values()))
    chance = first["evaluation"]["uar_chance"]
    lines = [
        "# Emotion models: the families side by side",
        "",
        f"- Data: {first['data']}; {first['n']} recordings by {first['speakers']} speakers"
        + (f" ({first['rows_left_out']} rows left out)" if first["rows_left_out"] else ""),
        f"- Licence: {first['licence']}",
        f"- Protocol: {first['evaluation']['protocol']}; at 8 kHz; guessing gives {chance}",
        f"- Learnt from beside each recording: its copies {', '.join(first['copies_learnt_from'])}",
        "",
        "UAR is the mean of the labels' recalls; intervals are of 95 %.",
        "",
        _row("", *cards),
        "|---" * (len(cards) + 1) + "|",
        _row("how", *(_WHAT.get(name, name) for name in cards)),
    ]
    evaluations = [card["evaluation"] for card in cards.values()]
    lines.append(_row("UAR as is", *(_with_interval(each["uar"]) for each in evaluations)))
    lines += [
        _row(f"recall of {label}", *(_with_interval(each["recall"][label]) for each in evaluations))
        for label in evaluations[0]["recall"]
    ]
    baselines = [card["speaker_baseline"] for card in cards.values()]
    lines += [
        _row(
            "UAR, each speaker's features normalised",
            *(f"{each['uar_speaker_baseline']:.3f}" for each in evaluations),
        ),
        _row(
            "UAR, against the mean of all a speaker's recordings",
            *(f"{each['uar_all_recordings_known']:.3f}" for each in baselines),
        ),
        _row(
            "UAR, against the mean of the earlier ones alone",
            *(f"{each['uar_earlier_recordings_known']:.3f}" for each in baselines),
        ),
        _row(
            "calibration error",
            *(f"{each['expected_calibration_error']:.3f}" for each in evaluations),
        ),
    ]
    for name, card in cards.items():
        labels = list(card["evaluation"]["recall"])
        lines += ["", f"Confusion of {name} (rows: truth, columns: judgement)", ""]
        lines += [_row("", *labels), "|---" * (len(labels) + 1) + "|"]
        lines += [
            _row(label, *map(str, counts))
            for label, counts in zip(labels, card["evaluation"]["confusion"], strict=True)
        ]
    lines += ["", "## Known failings", ""]
    lines += [f"- {failing}" for failing in first["known_failings"]]
    lines += ["", "## Make them again", "", f"    {first['training_command']}", ""]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _with_interval(figure: Mapping[str, Any]) -> str:
    low, high = figure["interval_95"]
    return f"{figure['value']:.3f} ({low:.3f} to {high:.3f})"
