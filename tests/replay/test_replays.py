"""History under other versions: beside the published one, compared, promoted or discarded."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from conftest import Centre

from callmart import replay
from callmart.cli import main
from callmart.replay import runs
from callmart.warehouse.dbt import build
from callmart.warehouse.locks import MARTS_LOCK

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

FIRST, LAST = date(2026, 11, 16), date(2026, 11, 17)

RULES = """
version: 9
rules:
  - id: greeting
    severity: minor
    role: agent
    any: [您好]
"""


def make(centre: Centre, first: date, last: date, **versions: str) -> replay.Replay:
    named: dict[Any, str] = dict(versions)
    asked = replay.request(centre.settings, first, last, named)
    replay.search(centre.settings, asked)
    return replay.make(centre.settings, asked.replay_id)


def difference(done: replay.Replay) -> dict[str, Any]:
    assert done.difference is not None
    return done.difference


def run(centre: Centre, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", centre.settings.warehouse_dsn)
    monkeypatch.setenv("CALLMART_HOME", str(centre.settings.home))
    return CliRunner().invoke(main, arguments)


def test_each_state_of_the_rules_is_a_version(built: Centre) -> None:
    found = {
        version.version: version.status
        for version in replay.list_versions(built.settings)
        if version.kind == "rules"
    }
    sets = built.query(
        "select rules_version, jsonb_array_length(phrase_rules), sales_rules -> 0 -> 'parameters' ->> 'to'"
        " from ops.rule_sets order by 1"
    )

    # 1 November, 18 November (another phrase), 2027 (shorter hours); asked again, none is added.
    assert found == {"1": "known", "2": "in force", "3": "known"}
    assert sets == [(1, 1, "21:00"), (2, 1, "21:00"), (3, 1, "18:00")]
    assert len(replay.list_versions(built.settings)) == len(replay.list_versions(built.settings))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "2026-11-16", "--to", "2026-11-17", "--rules", "77"], "the CRM's rules from"),
        (["--from", "2026-11-16", "--to", "2026-11-17", "--weights", "3"], "turned round"),
        (["--from", "2026-11-16", "--to", "2026-11-17", "--model", "x"], "comes with callmart"),
        (["--from", "2026-11-17", "--to", "2026-11-16"], "ends before it begins"),
        (["--from", "2027-11-17", "--to", "2027-11-17"], "calls until 2026-11-20"),
        (["--from", "2026-11-16"], "--to"),
    ],
)
def test_what_cannot_be_replayed_is_said_clearly(
    built: Centre, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    done = run(built, monkeypatch, "replay", *arguments)

    assert done.exit_code == 2
    assert said in done.output
    assert built.query("select count(*) from ops.replays where status <> 'discarded'") == [(0,)]


def test_a_rule_file_becomes_a_version_once(
    copy_of: Callable[[str], Centre], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    centre = copy_of("files")
    replay.list_versions(centre.settings)
    file = tmp_path / "rules.yaml"
    file.write_text(RULES, encoding="utf-8")
    for _ in range(2):
        done = run(centre, monkeypatch, "rules", "propose", str(file), "--json")
        assert json.loads(done.stdout) == {"version": 9}
    file.write_text(RULES.replace("minor", "major"), encoding="utf-8")
    other = run(centre, monkeypatch, "rules", "propose", str(file))

    assert (other.exit_code, "write `version: 10`" in other.output) == (1, True)

    # Its hits are facts of the range alone, and judge nothing before a promotion.
    asked = replay.request(centre.settings, FIRST, LAST, {"rules": "9"})
    replay.search(centre.settings, asked)
    found = centre.query(
        "select count(distinct hits.transcript_sha256), count(*) from facts.phrase_hits as hits"
        " where rule_id = 'greeting'"
    )
    assert found == [(3, 3)] or found == [(4, 4)]


def test_other_rules_beside_the_published_ones(
    copy_of: Callable[[str], Centre], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Rules of next year over two past days: shown, not published, promoted whole, and there to stay."""
    centre = copy_of("rules")
    before = centre.published()
    done = make(centre, FIRST, LAST, rules="3")
    found = difference(done)

    # 稳赚不赔 on the 17th; four calls a day at seven in the evening.
    assert [(hit["call_id"], hit["quoted_text"]) for hit in found["hits_gained"]] == [
        ("C1-2026-11-17-10", "稳赚不赔")
    ]
    assert found["hits_lost"] == []
    assert [(rule["gained"], rule["lost"]) for rule in found["sales_rules"]] == [(8, 0)]
    assert found["customers"]["scores_changed"] == 4
    assert centre.published() == before
    for language in replay.page.languages():
        page = replay.page.render(done, language, "Asia/Shanghai")
        assert "稳赚不赔" in page
        assert 'src="' not in page

    # Killed before the end of the transaction: readers saw nothing of it, and nothing is left of it.
    seen = {}

    def killed(*_: Any) -> None:
        seen.update(centre.published())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "_drop", killed)
        with pytest.raises(KeyboardInterrupt):
            replay.promote(centre.settings, done.replay_id, "somebody")
    assert seen == before
    assert centre.published() == before
    assert centre.query("select count(*) from ops.version_pins") == [(0,)]

    promoted = replay.promote(centre.settings, done.replay_id, "somebody")
    after = centre.published()
    assert (promoted.status, promoted.decided_by) == ("promoted", "somebody")
    assert centre.side_schemas() == []
    assert centre.query(
        "select count(*) from marts.rule_violations where violation_date between %s and %s",
        FIRST,
        LAST,
    ) == [(8,)]
    assert replay.promote(centre.settings, done.replay_id, "another").decided_by == "somebody"

    # Some of it built as of an earlier day, and all as of today again: the same rows as promoted.
    scores = ["int_as_of", "int_evaluation_days_selected", "customer_quality"]
    build(centre.settings, "run", select=scores, as_of="2026-11-17")
    assert centre.published() != after
    build(centre.settings, "run")
    assert centre.published() == after


def test_halves_in_either_order_are_the_whole(copy_of: Callable[[str], Centre]) -> None:
    whole, halves = copy_of("whole"), copy_of("halves")
    first, last = date(2026, 11, 17), date(2026, 11, 19)
    done = make(whole, first, last, weights="2")
    assert difference(done)["customers"]["scores_changed"] > 0
    replay.promote(whole.settings, done.replay_id, "somebody")
    for day, end in ((date(2026, 11, 19), last), (first, date(2026, 11, 18))):
        part = make(halves, day, end, weights="2")
        replay.promote(halves.settings, part.replay_id, "somebody")

    assert halves.published() == whole.published()
    scores = whole.query(
        "select distinct rule_version, evaluation_date from intermediate.int_evaluation_scores_rounded"
        " where evaluation = 'engagement' order by 2"
    )
    assert {day for version, day in scores if version == 2} <= {
        date(2026, 11, day) for day in (17, 18, 19)
    }
    assert (2, first) in scores
    assert (1, date(2026, 11, 20)) in scores

    # Under the version that judges it: nothing differs.
    again = make(halves, first, last, weights="2")
    assert difference(again)["is_identical"], difference(again)["marts"]
    assert {"customer_quality", "evaluation_ledger"} <= {
        m["mart"] for m in difference(again)["marts"]
    }


def test_a_build_that_was_killed_is_no_replay_and_can_be_made_again(
    copy_of: Callable[[str], Centre], monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = copy_of("killed")
    before = centre.published()

    def killed(*_: Any, **__: Any) -> None:
        with psycopg.connect(centre.settings.warehouse_dsn) as connection:
            connection.execute(f"create schema {asked.prefix}marts")
        raise KeyboardInterrupt

    asked = replay.request(centre.settings, FIRST, LAST, {"weights": "2"})
    with monkeypatch.context() as patch:
        patch.setattr(runs, "build", killed)
        with pytest.raises(KeyboardInterrupt):
            replay.make(centre.settings, asked.replay_id)
    with pytest.raises(replay.ReplayError, match="never built to its end"):
        replay.promote(centre.settings, asked.replay_id, "somebody")
    assert centre.side_schemas() != []
    again = replay.request(centre.settings, FIRST, LAST, {"weights": "2"})
    assert again.replay_id == asked.replay_id

    assert replay.discard(centre.settings, asked.replay_id, "somebody").status == "discarded"
    assert centre.side_schemas() == []
    assert centre.published() == before
    # A new request is a new replay.
    anew = replay.request(centre.settings, FIRST, LAST, {"weights": "2"})
    assert anew.replay_id != asked.replay_id


def test_a_decision_waits_for_a_build(copy_of: Callable[[str], Centre]) -> None:
    centre = copy_of("waiting")
    asked = replay.request(centre.settings, FIRST, LAST, {})
    done = threading.Event()

    def discard() -> None:
        replay.discard(centre.settings, asked.replay_id, "somebody")
        done.set()

    with psycopg.connect(centre.settings.warehouse_dsn, autocommit=True) as builder:
        builder.execute("select pg_advisory_lock(%s)", (MARTS_LOCK,))
        thread = threading.Thread(target=discard)
        thread.start()
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while builder.execute(waiting).fetchone() != (1,):
            assert thread.is_alive()
        assert not done.is_set()
    thread.join(timeout=60)
    assert done.is_set()
