"""A replay's difference as a page of its own, in one language."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from callmart.replay.runs import Replay
from callmart.settings import Settings

HERE = Path(__file__).parent

SHOWN = 20
"""Most rows of a table; the counts say how many there are."""


def languages() -> list[str]:
    """The languages that have a locale file."""
    return sorted(path.stem for path in (HERE / "locales").glob("*.yaml"))


@functools.cache
def load_words(language: str) -> dict[str, Any]:
    """The locale file of `language` (zh or en)."""
    path = HERE / "locales" / f"{language}.yaml"
    words: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return words


def render(replay: Replay, language: str, zone: str) -> str:
    """The page; nothing in it is loaded from elsewhere. Raises ValueError before it was built."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if replay.difference is None:
        raise ValueError(f"replay {replay.replay_id} has not been built yet")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = _Page(replay, replay.difference, language, ZoneInfo(zone))
    return environment.get_template("replay.html.j2").render(page.values())


def write_pages(settings: Settings, replay: Replay, folder: Path | None = None) -> list[Path]:
    """The pages in every language as files, below the settings' home by default; none before it was
    built."""
    if replay.difference is None:
        return []
    folder = folder or settings.home / "replays"
    folder.mkdir(parents=True, exist_ok=True)
    pages = []
    for language in languages():
        page = folder / f"replay-{replay.replay_id}.{language}.html"
        page.write_text(render(replay, language, settings.business_time_zone), encoding="utf-8")
        pages.append(page)
    return pages


def publish_pages(settings: Settings, replay: Replay) -> list[str]:
    """The pages in every language as objects of the bucket; where they lie."""
    from callmart.landing import ObjectStore

    store = ObjectStore(settings)
    places = []
    for language in languages():
        key = f"reports/replays/replay-{replay.replay_id}.{language}.html"
        body = render(replay, language, settings.business_time_zone).encode()
        store.put(key, body, "text/html; charset=utf-8")
        places.append(f"s3://{settings.bucket}/{key}")
    return places


def verdict(replay: Replay, language: str) -> list[str]:
    """What differs, in a sentence or a few. Raises ValueError before it was built."""
    if replay.difference is None:
        raise ValueError(f"replay {replay.replay_id} has not been built yet")
    words, difference = load_words(language), replay.difference
    customers, hits = difference["customers"], difference["phrase_hits"]
    if difference["is_identical"]:
        return [words["nothing"]]
    said = words["verdict"]
    sentences = [
        said["tiers" if customers["tiers_changed"] else "no_tiers"].format(
            changed=customers["tiers_changed"],
            all=customers["compared"],
            up=customers["tiers_up"],
            down=customers["tiers_down"],
        ),
        said["scores"].format(changed=customers["scores_changed"]),
    ]
    if hits["gained"] or hits["lost"]:
        sentences.append(said["hits"].format(**hits))
    if customers["tiers_changed_today"]:
        sentences.append(said["later"].format(count=customers["tiers_changed_today"]))
    return sentences


def described_versions(replay: Replay, language: str) -> str:
    """The versions that were tried, in words."""
    words = load_words(language)
    if not replay.versions:
        return str(words["as_judged"])
    named = [f"{words['kinds'][kind]} {version}" for kind, version in replay.versions.items()]
    return str(words["under"].format(versions=words["list_joiner"].join(named)))


class _Page:
    """What the template shows, formatted."""

    def __init__(
        self, replay: Replay, difference: Mapping[str, Any], language: str, zone: ZoneInfo
    ) -> None:
        self.replay = replay
        self.difference = difference
        self.language = language
        self.words = load_words(language)
        self.zone = zone

    def values(self) -> dict[str, Any]:
        words, replay = self.words, self.replay
        built = replay.built_at
        is_open = replay.status in ("building", "ready")
        days = words["range"].format(first=replay.from_date, last=replay.to_date)
        return {
            "words": words,
            "title": words["title"].format(id=replay.replay_id),
            "state": words["status"][replay.status],
            "subtitle": " · ".join([days, described_versions(replay, self.language)]),
            "verdict": verdict(replay, self.language),
            "cards": self._cards(),
            "tiers": self._tiers(),
            "totals": self._totals(),
            "customers": self._customers(),
            "sections": self._sections(),
            "footer": words["footer"].format(
                when=built.astimezone(self.zone).strftime("%Y-%m-%d %H:%M") if built else "–"
            ),
            "command_line": words["decide"].format(id=replay.replay_id) if is_open else None,
        }

    def _cards(self) -> list[dict[str, str]]:
        difference, words = self.difference, self.words["cards"]
        customers, hits = difference["customers"], difference["phrase_hits"]
        rules = difference["sales_rules"]
        gained, lost = sum(row["gained"] for row in rules), sum(row["lost"] for row in rules)
        means = [self._mean(side) for side in ("before", "after")]
        cards = [
            {
                "label": words["tiers"],
                "value": f"{customers['tiers_changed']:,}",
                "note": f"▲ {customers['tiers_up']:,}  ▼ {customers['tiers_down']:,}",
            },
            {
                "label": words["mean"],
                "value": "–" if means[1] is None else f"{means[1]:.2f}",
                "note": "" if None in means else _signed(means[1] - means[0]),
            },
            {
                "label": words["hits"],
                "value": f"{hits['after']:,}",
                "note": f"+{hits['gained']:,}  −{hits['lost']:,}",
            },
            {
                "label": words["violations"],
                "value": f"{sum(row['after'] for row in rules):,}",
                "note": f"+{gained:,}  −{lost:,}",
            },
        ]
        if difference["emotions"]:
            sides = sum(row["sides"] for row in difference["emotions"])
            changed = sum(
                row["sides"] for row in difference["emotions"] if row["before"] != row["after"]
            )
            cards.append(
                {"label": words["emotions"], "value": f"{changed:,}", "note": f"/ {sides:,}"}
            )
        return cards

    def _mean(self, side: str) -> Any:
        return self.difference["customers"][f"mean_{side}"]

    def _tiers(self) -> list[dict[str, Any]]:
        rows = self.difference["tiers"]
        most = max([1, *(row[side] for row in rows for side in ("before", "after"))])
        return [
            {**row, **{f"{s}_width": round(85 * row[s] / most, 1) for s in ("before", "after")}}
            for row in rows
        ]

    def _totals(self) -> list[dict[str, Any]]:
        rows = self.difference["totals"]
        most = max([1, *(row[side] for row in rows for side in ("before", "after"))])
        return [
            {**row, **{f"{s}_height": round(97 * row[s] / most, 1) for s in ("before", "after")}}
            for row in rows
        ]

    def _table(
        self,
        title: str | None,
        columns: Sequence[tuple[str, str, str]],
        rows: Sequence[Any],
        count: int | None = None,
    ) -> dict[str, Any]:
        """columns: name in the rows, label's name, kind (name, code, number, signed, quote, reasons);
        count: of rows in all, where `rows` are the first of them."""
        return {
            "title": self.words["tables"][title] if title else None,
            "columns": [
                {"name": name, "label": self.words["columns"][label], "kind": kind}
                for name, label, kind in columns
            ],
            "rows": rows[:SHOWN],
            "hidden": max((count or len(rows)) - SHOWN, 0),
        }

    def _customers(self) -> list[dict[str, Any]]:
        changes = [
            {
                "customer": row["customer_id"],
                "tier": f"{row['tier_before']} → {row['tier_after']}",
                "total": f"{row['total_before']:.2f} → {row['total_after']:.2f}",
                "day": row["day"],
            }
            for row in self.difference["tier_changes"]
        ]
        movers = [
            {
                "customer": row["customer_id"],
                "tier": _arrow(row["tier_before"], row["tier_after"]),
                "total": f"{row['total_before']:.2f} → {row['total_after']:.2f}",
                "change": {"shown": _signed(row["change"]), "tone": _tone(row["change"])},
                "reasons": [
                    {
                        "label": reason[f"label_{self.language}"],
                        "points": reason["points"],
                        "shown": _signed(reason["points"]),
                    }
                    for reason in row["reasons"]
                ],
            }
            for row in self.difference["movers"]
        ]
        evaluations = [
            {
                "evaluation": row[f"label_{self.language}"] or row["evaluation"],
                "before": _score(row["mean_before"]),
                "after": _score(row["mean_after"]),
                "changed": f"{row['changed']:,} / {row['customers']:,}",
            }
            for row in self.difference["evaluations"]
        ]
        return [
            self._table(
                "tier_changes",
                [
                    ("customer", "customer", "code"),
                    ("tier", "tier", "code"),
                    ("total", "total", "number"),
                    ("day", "day", "code"),
                ],
                changes,
                self.difference["customers"]["tiers_changed"],
            ),
            self._table(
                "movers",
                [
                    ("customer", "customer", "code"),
                    ("tier", "tier", "code"),
                    ("total", "total", "number"),
                    ("change", "change", "signed"),
                    ("reasons", "reasons", "reasons"),
                ],
                movers,
            ),
            self._table(
                "evaluations",
                [
                    ("evaluation", "evaluation", "name"),
                    ("before", "before", "number"),
                    ("after", "after", "number"),
                    ("changed", "changed", "number"),
                ],
                evaluations,
            ),
        ]

    def _sections(self) -> list[dict[str, Any]]:
        words = self.words["sections"]
        sections = [
            {"title": words["phrases"], **self._phrases()},
            {"title": words["rules"], **self._sales_rules()},
        ]
        if self.difference["emotions"]:
            sections.append({"title": words["emotions"], **self._emotions()})
        marts = self.difference["marts"]
        differing = [row for row in marts if row["added"] or row["removed"] or row["changed"]]
        table = self._table(
            "marts",
            [
                ("mart", "mart", "name"),
                ("rows_before", "before", "number"),
                ("rows_after", "after", "number"),
                ("changed", "changed", "number"),
                ("added", "added", "number"),
                ("removed", "removed", "number"),
            ],
            [
                {k: f"{v:,}" if isinstance(v, int) else v for k, v in row.items()}
                for row in differing
            ],
        )
        sections.append(
            {
                "title": words["marts"],
                "sentence": self.words["unchanged"].format(count=len(marts) - len(differing)),
                "tables": [table] if differing else [],
            }
        )
        return sections

    def _same(self, word: str, count: int) -> str | None:
        return str(self.words["same"][word].format(count=f"{count:,}")) if count else None

    def _phrases(self) -> dict[str, Any]:
        hits = self.difference["phrase_hits"]
        moved = [
            row
            for row in self.difference["phrase_rules"]
            if row["gained"] or row["lost"] or row["changed"]
        ]
        if not moved:
            return {"sentence": self._same("hits", hits["after"]), "tables": []}
        counts = [("before", "before"), ("after", "after"), ("gained", "gained"), ("lost", "lost")]
        by_rule = [
            {
                "rule": row[f"name_{self.language}"] or row["rule_id"],
                "severity": self.words["severities"].get(row["severity"], row["severity"]),
                **{name: f"{row[name]:,}" for name, _ in counts},
            }
            for row in moved
        ]
        numbers = [(name, label, "number") for name, label in counts]
        places = [
            ("rule", "rule", "name"),
            ("quote", "quote", "quote"),
            ("call", "call", "code"),
            ("at", "at", "number"),
        ]
        tables = [
            self._table(
                "phrase_rules",
                [("rule", "rule", "name"), ("severity", "severity", "code"), *numbers],
                by_rule,
            )
        ]
        for which in ("gained", "lost"):
            if hits[which]:
                found = self._hits(f"hits_{which}")
                tables.append(self._table(which, places, found, hits[which]))
        others = len(self.difference["phrase_rules"]) - len(moved)
        return {"sentence": self._same("other_rules", others), "tables": tables}

    def _hits(self, which: str) -> list[dict[str, str]]:
        return [
            {
                "rule": row[f"rule_name_{self.language}"] or row["rule_id"],
                "quote": row["quoted_text"] or self.words["missing"],
                "call": row["call_id"],
                "at": _place(row["start_ms"]),
            }
            for row in self.difference[which]
        ]

    def _sales_rules(self) -> dict[str, Any]:
        names = ("before", "after", "gained", "lost")
        moved = [row for row in self.difference["sales_rules"] if row["gained"] or row["lost"]]
        others = len(self.difference["sales_rules"]) - len(moved)
        if not moved:
            count = sum(row["after"] for row in self.difference["sales_rules"])
            return {"sentence": self._same("rules", count), "tables": []}
        rows = [
            {
                "rule": row[f"name_{self.language}"] or row["rule_type"],
                **{name: f"{row[name]:,}" for name in names},
            }
            for row in moved
        ]
        columns = [("rule", "rule", "name"), *((name, name, "number") for name in names)]
        table = self._table("sales_rules", columns, rows)
        return {"sentence": self._same("other_types", others), "tables": [table]}

    def _emotions(self) -> dict[str, Any]:
        found = self.difference["emotions"]
        if all(row["before"] == row["after"] and not row["mean_index_change"] for row in found):
            count = sum(row["sides"] for row in found)
            return {"sentence": self._same("voices", count), "tables": []}
        rows = [
            {
                "heard": self.words["labels"].get(row["before"], "–"),
                "heard_after": self.words["labels"].get(row["after"], "–"),
                "sides": f"{row['sides']:,}",
                "index": {
                    "shown": _signed(row["mean_index_change"]),
                    "tone": _tone(row["mean_index_change"]),
                },
            }
            for row in found
        ]
        columns = [
            ("heard", "heard", "name"),
            ("heard_after", "heard_after", "name"),
            ("sides", "sides", "number"),
            ("index", "index", "signed"),
        ]
        return {"sentence": None, "tables": [self._table("emotions", columns, rows)]}


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _tone(value: float | None) -> str:
    return "same" if not value else ("good" if value > 0 else "bad")


def _arrow(before: str | None, after: str | None) -> str:
    return str(after) if before == after else f"{before or '–'} → {after or '–'}"


def _place(milliseconds: int | None) -> str:
    """A place in a recording as m:ss."""
    if milliseconds is None:
        return "–"
    return f"{milliseconds // 60000}:{milliseconds // 1000 % 60:02d}"
