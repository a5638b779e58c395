"""The page docs/weights.md, written from the seeds: `python -m callmart.weights.page > docs/weights.md`."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from callmart.settings import PROJECT_ROOT
from callmart.weights.settings import FITTING

SEEDS = PROJECT_ROOT / "dbt" / "seeds"


def weights_page() -> str:
    """The text of docs/weights.md."""
    weights = _seed("evaluation_weights")
    knots: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in _seed("evaluation_knots"):
        key = (row["evaluation"], row["rule_version"], row["component"])
        knots[key].append(f"{row['raw_value']}→{row['value']}")
    labels = {(row["evaluation"], row["component"]): row for row in _seed("evaluation_labels")}
    settings = {row["setting"]: row["value"] for row in _seed("evaluation_settings")}
    parts = []
    for evaluation, version in dict.fromkeys((w["evaluation"], w["rule_version"]) for w in weights):
        named = labels[evaluation, ""]
        parts.append(
            f"## {named['label_en']} / {named['label_zh']}\n\n`{evaluation}`, version {version}\n\n"
            "| component | weight | half-life | prior (strength) | curve | why | source |\n"
            "|---|---:|---:|---|---|---|---|"
        )
        for row in weights:
            if (row["evaluation"], row["rule_version"]) != (evaluation, version):
                continue
            named = labels[evaluation, row["component"]]
            curve = ", ".join(knots[evaluation, version, row["component"]])
            cells = (
                f"`{row['component']}` {named['label_en']} / {named['label_zh']}",
                row["weight"],
                row["half_life_days"] or "–",
                f"{row['prior']} ({row['prior_strength']})",
                curve,
                row["reason"],
                row["source"],
            )
            parts[-1] += "\n| " + " | ".join(cells) + " |"
        parts[-1] += "\n"
    parts.append("## Customer quality\n\n| dimension | weight | why |\n|---|---:|---|")
    for row in _seed("quality_weights"):
        parts[-1] += f"\n| `{row['dimension']}` | {row['weight']} | {row['reason']} |"
    parts[-1] += "\n\n| tier | from | name | why |\n|---|---:|---|---|"
    for row in _seed("quality_tiers"):
        name = f"{row['label_en']} / {row['label_zh']}"
        parts[-1] += f"\n| {row['tier']} | {row['minimum_score']} | {name} | {row['reason']} |"
    parts[-1] += "\n"
    around = Path(__file__).with_name("page.txt").read_text(encoding="utf-8")
    return around.format(
        shrunk=f"{1 - float(settings['shrunk_below_confidence']):.0%}",
        tables="\n".join(parts),
        pulls=", ".join(f"{pull:g}" for pull in FITTING.pulls),
        inner=FITTING.inner_folds,
        folds=FITTING.folds,
        least=FITTING.minimum_of_each,
        knots=FITTING.knots,
        leak=FITTING.leak_auc,
    )


def _seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    print(weights_page(), end="")
