"""Rules that hold a day against the past: a bad day breaks each, a good one none, a short past is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from callmart.contracts import load_entities
from callmart.settings import Settings
from callmart.warehouse.expectations import PROJECT, validate

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ZONE = "Asia/Shanghai"
DAYS = range(60, 0, -1)
"""Days ago; the newest closed day is yesterday."""


class Rules:
    """Asks the rules of the suites' files by themselves: they are SQL."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.run = connection.execute

    def _ask(self, table: str, query: str) -> list[tuple[Any, ...]]:
        filled = query.replace("{batch}", table).replace("{business_time_zone}", ZONE)
        return self.run(filled.encode()).fetchall()

    def broken(self, table: str) -> set[str]:
        """First words of the rules on time that are judged and do not hold."""
        layer, name = table.split(".")
        suite = json.loads((PROJECT / "suites" / layer / f"{name}.json").read_text("utf-8"))
        found = set()
        for rule in suite["expectations"]:
            needs = rule["meta"].get("needs")
            if needs is None or self._ask(table, needs["query"])[0][0] < needs["at_least"]:
                continue
            if self._ask(table, rule["kwargs"]["unexpected_rows_query"]):
                found.add(rule["description"].split(" of ")[0])
        return found


@pytest.fixture
def raw(postgres: str) -> Iterator[Rules]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        rules = Rules(connection)
        rules.run(
            "create function ago(days integer) returns timestamptz language sql as $$"
            " select (((now() at time zone 'Asia/Shanghai')::date - days)::timestamp + interval '9 h')"
            " at time zone 'Asia/Shanghai' $$"
        )
        yield rules


def deliver(rules: Rules, table: str, columns: str, values: str, rows: str, days: str) -> None:
    """Rows of an entity, as many a day as `rows` says (SQL over `d`, days ago)."""
    rules.run(
        f"insert into {table} ({columns}, _object_id, _row_number, _delivered_on, _object_key,"
        f" _object_modified_at, _source) select {values}, d, n, ago(d)::date, 'k', now(), 's'"
        f" from generate_series(1, 60) as d, generate_series(1, {rows}) as n where {days}".encode()
    )


def deliver_calls(rules: Rules, rows: str = "30", days: str = "true") -> None:
    deliver(
        rules, "raw.calls", "call_id, direction, started_at, agent_id, customer_id",
        "d || '-' || n, 'outbound', ago(d), 'a' || n % 5, 'c' || n", rows, days,
    )  # fmt: skip


def deliver_agents(rules: Rules, agents: str = "5") -> None:
    deliver(rules, "raw.agents", "agent_id, name", "'a' || n - 1, 'x'", agents, "d = 60")


@pytest.mark.parametrize(
    ("newest", "is_broken"), [("30", False), ("16", False), ("14", True), ("61", True)]
)
def test_volume_beside_the_same_weekday(raw: Rules, newest: str, is_broken: bool) -> None:
    # Other weekdays are three times as busy: only the same one counts.
    deliver_calls(raw, f"(case when d = 1 then {newest} when d % 7 = 1 then 30 else 90 end)")
    assert ("the newest closed day has half to twice as many calls as the same weekday"
            in raw.broken("raw.calls")) is is_broken  # fmt: skip


def test_three_weeks_are_too_few_to_judge_a_weekday(raw: Rules) -> None:
    deliver_calls(raw, "(case when d = 1 then 1 else 30 end)", "d <= 22")
    assert raw.broken("raw.calls") == set()


@pytest.mark.parametrize(
    ("days", "is_broken"), [("true", False), ("d > 3", False), ("d > 6", True)]
)
def test_an_entity_that_stays_away(raw: Rules, days: str, is_broken: bool) -> None:
    deliver_calls(raw)
    deliver(raw, "raw.customers", "customer_id, phone", "'c' || n, '+8610'", "30", days)
    rule = "the newest delivery is no older beside that"
    assert (rule in raw.broken("raw.customers")) is is_broken


def test_an_entity_that_comes_once_a_week_may_stay_away_for_two(raw: Rules) -> None:
    deliver_calls(raw)
    deliver(raw, "raw.customers", "customer_id, phone", "'c' || n, '+8610'", "30", "d % 7 = 0")
    assert raw.broken("raw.customers") == set()


@pytest.mark.parametrize(("agents", "is_broken"), [("5", False), ("4", True)])
def test_ids_that_nobody_knows(raw: Rules, agents: str, is_broken: bool) -> None:
    deliver_calls(raw)
    rule = "agent_id is known in raw.agents in 95%"
    assert rule not in raw.broken("raw.calls"), "nothing is known where no agent ever came"
    deliver_agents(raw, agents)
    assert (rule in raw.broken("raw.calls")) is is_broken


def test_routes_of_other_calls_stop_the_build(raw: Rules) -> None:
    deliver_calls(raw)
    steps = "call_id, step_no, step_type"
    deliver(raw, "raw.call_routes", steps, "d || '-' || n, 1, 'queue'", "20", "true")
    assert raw.broken("raw.call_routes") == set()
    raw.run("update raw.call_routes set call_id = 'other-' || call_id where _row_number > 9")
    assert raw.broken("raw.call_routes") == {
        "call_id is known in raw.calls in 95%",
        "call_id is known in raw.calls in 50%",
    }
    suite = json.loads((PROJECT / "suites" / "raw" / "call_routes.json").read_text("utf-8"))
    severities = {rule["description"]: rule["severity"] for rule in suite["expectations"]}
    assert severities[
        "call_id is known in raw.calls in 50% of the rows of the last seven days"
    ] == ("critical")


def test_every_raw_suite_knows_the_columns_of_the_contract() -> None:
    for name, entity in load_entities().items():
        suite = json.loads((PROJECT / "suites" / "raw" / f"{name}.json").read_text("utf-8"))
        [rule] = [r for r in suite["expectations"] if "column_set" in r["kwargs"]]
        assert rule["kwargs"]["column_set"] == [column for column, _ in entity.raw_columns()]
        assert rule["severity"] == "critical"


# --- marts ----------------------------------------------------------------------------------------


@pytest.fixture
def marts(postgres: str) -> Iterator[Rules]:
    """The columns that the rules read; the suites themselves are held against the contracts."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            """
            create schema if not exists marts;
            create table marts.daily_call_summary (
                call_date date, attempts integer, connected integer, connection_ratio float8,
                answer_seizure_ratio float8, abandonment_ratio float8, average_talk_seconds float8);
            create table marts.calls (call_date date, outcome text, hangup_by text);
            create table marts.call_emotions (call_date date, adjusted_label text, is_selected boolean);
            create table marts.evaluation_conversation (evaluation_date date, score numeric);
            create table marts.customer_quality (
                customer_id text, total_score numeric, valid_from date, valid_to date);
            create function day(ago integer) returns date language sql as $$
                select (now() at time zone 'Asia/Shanghai')::date - ago $$;
            """
        )
        yield Rules(connection)


def summarise(rules: Rules, **yesterday: float) -> None:
    rules.run(
        "insert into marts.daily_call_summary select day(d), 1000, 400, 0.4 + d % 3 * 0.01,"
        " 0.6 + d % 3 * 0.01, 0.02, 100 + d % 5 from generate_series(1, 30) as d"
    )
    for column, value in yesterday.items():
        rules.run(
            f"update marts.daily_call_summary set {column} = {value} where call_date = day(1)"
        )


@pytest.mark.parametrize(
    ("yesterday", "broken"),
    [
        ({}, set()),
        ({"connection_ratio": 0.45}, set()),
        ({"connection_ratio": 0.30}, {"connection_ratio"}),
        ({"answer_seizure_ratio": 0.95}, {"answer_seizure_ratio"}),
        ({"abandonment_ratio": 0.06}, {"abandonment_ratio"}),
        ({"average_talk_seconds": 60}, {"average_talk_seconds"}),
        ({"connected": 0, "connection_ratio": 0}, {"connection_ratio", ""}),
        # Too few calls to say anything: the day before is judged, and that one is as ever.
        ({"attempts": 50, "connected": 50, "connection_ratio": 0}, set()),
    ],
)
def test_a_day_beside_the_last_four_weeks(
    marts: Rules, yesterday: dict[str, float], broken: set[str]
) -> None:
    summarise(marts, **yesterday)
    found = marts.broken("marts.daily_call_summary")
    assert found == {
        f"{column} of the newest closed day".split(" of ")[0] if column else "of two hundred calls"
        for column in broken
    }


def test_ten_days_are_too_few(marts: Rules) -> None:
    summarise(marts, connection_ratio=0.1)
    marts.run("delete from marts.daily_call_summary where call_date < day(11)")
    assert marts.broken("marts.daily_call_summary") == set()


DRIFTS = {
    "marts.calls": (
        "insert into marts.calls select day(d), case when n <= {share} then 'human' else 'busy' end,"
        " 'agent' from generate_series({days}) as d, generate_series(1, 100) as n",
        "outcome",
    ),
    "marts.call_emotions": (
        "insert into marts.call_emotions select day(d), case when n <= {share} then 'angry'"
        " else 'neutral' end, true from generate_series({days}) as d, generate_series(1, 100) as n",
        "adjusted_label",
    ),
    "marts.evaluation_conversation": (
        "insert into marts.evaluation_conversation select day(d), least(99, {share} - 40 + n % 100)"
        " from generate_series({days}) as d, generate_series(1, 100) as n",
        "score",
    ),
    "marts.customer_quality": (
        "insert into marts.customer_quality select n::text, least(99, {share} - 40 + n % 100),"
        " day({to}), day({until})"
        " from generate_series(1, 300) as n",
        "total_score is spread over the customers as four weeks before (stability index up to 0.25)",
    ),
}


@pytest.mark.parametrize(("share", "is_broken"), [(40, False), (42, False), (70, True)])
@pytest.mark.parametrize("table", DRIFTS)
def test_a_distribution_beside_the_last_four_weeks(
    marts: Rules, table: str, share: int, is_broken: bool
) -> None:
    statement, rule = DRIFTS[table]

    def fill(share: int, days: str, start: int, until: int) -> None:
        text = statement.format(share=share, days=days, to=start, until=until)
        marts.run(text.encode())

    fill(40, "8, 34", 40, 2)
    assert marts.broken(table) == set(), "nothing to compare with"
    fill(share, "1, 7", 2, -1000)
    assert (rule in marts.broken(table)) is is_broken


# --- through Great Expectations -------------------------------------------------------------------


def test_warnings_are_kept_and_a_short_past_is_said(
    raw: Rules, postgres: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
) -> None:
    deliver_calls(raw, "(case when d = 1 then 3 else 30 end)")
    deliver_agents(raw)
    home = tmp_path_factory.mktemp("home")
    settings = Settings.from_environment(
        {"CALLMART_WAREHOUSE_DSN": postgres, "CALLMART_HOME": str(home)}
    )
    outcome = validate(settings, "raw")
    assert outcome.success, str(outcome)
    volume = (
        "raw.calls: it does not hold that the newest closed day has half to twice as many calls"
    )
    assert [sentence for sentence in outcome.warnings if sentence.startswith(volume)]
    kept: Callable[..., Any] = raw.run
    rows = dict(
        kept(
            "select table_name, message from ops.expectation_results"
            " where is_met and message like '%not judged%' and rule like 'the newest delivery%'"
        ).fetchall()
    )
    assert rows["raw.agents"].endswith("it takes 4 days of delivery, there are 1")
    assert not any(not finding.is_met for finding in outcome.findings if not finding.is_judged)
