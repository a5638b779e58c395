"""Times that people name, in Chinese and English: the parts as said, and the moment they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from callmart.settings import PROJECT_ROOT
from ml.phrases.moments import spoken_moment

NOTHING = ["再联系", "call me back", "过几天再打", "第三点意见", "有空再说", "", "1234567890"]
EXACT = True

# What is said, and its parts.
SAID: list[tuple[str, dict[str, Any]]] = [
    ("明天下午三点再打给我", {"days_ahead": 1, "hour": 15, "minute": 0, "part": "afternoon"}),
    ("后天上午十点半", {"days_ahead": 2, "hour": 10, "minute": 30, "part": "morning"}),
    ("大后天再说", {"days_ahead": 3}),
    ("今晚七点一刻", {"days_ahead": 0, "hour": 19, "minute": 15, "part": "evening"}),
    ("中午一点", {"hour": 13, "minute": 0, "part": "noon"}),
    ("下午2点45分", {"hour": 14, "minute": 45, "part": "afternoon"}),
    ("三点吧", {"hour": 15, "minute": 0}),
    ("九点", {"hour": 9, "minute": 0}),
    ("明天14:20", {"days_ahead": 1, "hour": 14, "minute": 20}),
    ("晚上再打", {"hour": 19, "minute": 0, "part": "evening"}),
    ("下周三上午", {"weekday": 3, "weeks_ahead": 1, "hour": 10, "minute": 0, "part": "morning"}),
    ("礼拜天", {"weekday": 7}),
    ("下周再联系", {"weeks_ahead": 1}),
    ("半小时后", {"minutes_ahead": 30}),
    ("一个半小时以后", {"minutes_ahead": 90}),
    ("二十分钟后打过来", {"minutes_ahead": 20}),
    ("三天后", {"minutes_ahead": 4320}),
    ("call me back tomorrow at three", {"days_ahead": 1, "hour": 15, "minute": 0}),
    ("the day after tomorrow", {"days_ahead": 2}),
    ("next Tuesday at half past ten", {"weekday": 2, "weeks_ahead": 1, "hour": 10, "minute": 30}),
    ("on Friday afternoon", {"weekday": 5, "hour": 15, "minute": 0, "part": "afternoon"}),
    ("at 3 pm", {"hour": 15, "minute": 0}),
    ("at 12 am", {"hour": 0, "minute": 0}),
    ("around quarter to five", {"hour": 16, "minute": 45}),
    ("after nine in the morning", {"hour": 9, "minute": 0, "part": "morning"}),
    ("in an hour", {"minutes_ahead": 60}),
    ("in half an hour", {"minutes_ahead": 30}),
    ("in about 20 minutes", {"minutes_ahead": 20}),
    ("tonight", {"days_ahead": 0, "hour": 19, "minute": 0, "part": "evening"}),
]  # fmt: skip
VAGUE = {"大后天再说", "晚上再打", "下周三上午", "礼拜天", "下周再联系", "三天后", "tonight",
         "the day after tomorrow", "on Friday afternoon"}  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), SAID)
def test_the_parts_are_kept_as_said(text: str, parts: dict[str, Any]) -> None:
    found = spoken_moment(text)
    assert found is not None
    assert found.as_item() == {**parts, "is_exact": text not in VAGUE}


@pytest.mark.parametrize("text", NOTHING)
def test_where_no_time_is_named_there_is_none(text: str) -> None:
    assert spoken_moment(text) is None


@given(st.text(max_size=60) | st.text("0123456789点半时:下周一二三 atpm", max_size=30))
def test_whatever_is_said_the_parts_are_possible(text: str) -> None:
    found = spoken_moment(text)
    if found is None:
        return
    assert found.hour is None or 0 <= found.hour <= 23
    assert found.minute is None or 0 <= found.minute <= 59
    assert found.weekday is None or 1 <= found.weekday <= 7


# --- the moment they mean, in dbt ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def meant(make_database: Callable[[], str]) -> Iterator[Callable[[str, datetime, str], Any]]:
    """Evaluates the macro in PostgreSQL."""
    from jinja2 import Environment

    macro = (PROJECT_ROOT / "dbt" / "macros" / "moments.sql").read_text(encoding="utf-8")
    # dbt's own blocks of comment and macro are Jinja's.
    template = Environment(autoescape=True).from_string(
        macro
        + "select {{ moment_meant('THE_words::jsonb', 'THE_said::timestamptz', 'THE_zone::text') | safe }}"
    )
    statement = template.render().replace("%", "%%")
    for name in ("words", "said", "zone"):
        statement = statement.replace(f"THE_{name}", f"%({name})s")
    with psycopg.connect(make_database()) as connection:

        def ask(text: str, said: datetime, zone: str) -> Any:
            found = spoken_moment(text)
            words = Jsonb(found.as_item()) if found else None
            row = connection.execute(
                statement.encode(), {"words": words, "said": said, "zone": zone}
            ).fetchone()
            return row[0] if row else None

        yield ask


SHANGHAI, NEW_YORK = "Asia/Shanghai", "America/New_York"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        # Said on Wednesday, 2026-11-18, 16:00 in Shanghai (03:00 in New York).
        ("明天下午三点", SHANGHAI, "2026-11-19 15:00"),
        ("下午三点", SHANGHAI, "2026-11-19 15:00"),
        ("五点", SHANGHAI, "2026-11-18 17:00"),
        ("周三", SHANGHAI, "2026-11-25 09:00"),
        ("周五上午", SHANGHAI, "2026-11-20 10:00"),
        ("周一", SHANGHAI, "2026-11-23 09:00"),
        ("下周三上午", SHANGHAI, "2026-11-25 10:00"),
        ("下周再联系", SHANGHAI, "2026-11-23 09:00"),
        ("半小时后", SHANGHAI, "2026-11-18 16:30"),
        ("tomorrow at three", NEW_YORK, "2026-11-19 15:00"),
        ("at nine", NEW_YORK, "2026-11-18 09:00"),
        ("next Tuesday", NEW_YORK, "2026-11-24 09:00"),
        ("再联系", SHANGHAI, None),
    ],
)
def test_the_moment_is_on_the_clock_of_who_was_called(
    meant: Callable[[str, datetime, str], Any], text: str, zone: str, expected: str | None
) -> None:
    moment = meant(text, datetime(2026, 11, 18, 8, 0, tzinfo=UTC), zone)
    shown = moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") if moment else None
    assert shown == expected


@pytest.mark.postgres
def test_over_the_change_of_clocks_the_hour_stays(
    meant: Callable[[str, datetime, str], Any],
) -> None:
    said = datetime(2026, 10, 31, 18, 0, tzinfo=UTC)  # a Saturday, 14:00 in New York
    moment = meant("tomorrow at three", said, NEW_YORK)
    assert moment == datetime(2026, 11, 1, 20, 0, tzinfo=UTC)
