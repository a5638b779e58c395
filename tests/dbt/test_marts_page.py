"""docs/marts.md: every mart is there, the picture joins what exists, and a reader can ask every question."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from built_marts import Marts
from psycopg import sql
from psycopg.conninfo import make_conninfo

from callmart.settings import PROJECT_ROOT
from callmart.warehouse import connect, migrate
from callmart.warehouse.roles import add_reader

pytestmark = pytest.mark.postgres

PAGE = (PROJECT_ROOT / "docs" / "marts.md").read_text(encoding="utf-8")
QUESTIONS: dict[str, tuple[str, str]] = {
    title: (answer, query)
    for title, answer, query in re.findall(
        r"^### (.+?)\n(.*?)^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
}
# What the extracts of the test hold nothing of, or too little for: a few days, no voice analysed, no
# phrase searched.
MAY_FIND_NOTHING = {
    "Which phrase rules can be trusted?",
    "Which calls belong to nobody, and who could be meant?",
    "How many customers had to be contacted again within a week?",
    "How do customers and agents sound?",
}

SAYS_THAT_NOTHING_IS_THERE = {"Do single or multiple lines connect better?"}

Ask = Callable[[str], list[tuple[Any, ...]]]


def reader_of(dsn: str) -> Iterator[Ask]:
    """Asks as a login of its own with the rights of bi_reader alone."""
    name = f"reader_{uuid.uuid4().hex[:10]}"
    # Rights on the database itself do not come along with a template.
    migrate(dsn)
    with connect(dsn, autocommit=True) as owner:
        password = add_reader(owner, name)
        try:
            with psycopg.connect(
                make_conninfo(dsn, user=name, password=password), autocommit=True
            ) as reader:
                yield lambda query: reader.execute(query.encode()).fetchall()
        finally:
            owner.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def ask_nothing(empty_marts: str) -> Iterator[Ask]:
    yield from reader_of(empty_marts)


@pytest.fixture(scope="module")
def ask(marts: Marts) -> Iterator[Ask]:
    yield from reader_of(marts.settings.warehouse_dsn)


def test_there_are_twenty_questions_each_with_a_word_on_its_answer() -> None:
    assert len(QUESTIONS) == 20
    assert len(re.findall(r"^```sql", PAGE, re.MULTILINE)) == 20
    for title, (answer, _) in QUESTIONS.items():
        assert len(answer.split()) >= 8, title
    assert set(QUESTIONS) >= MAY_FIND_NOTHING | SAYS_THAT_NOTHING_IS_THERE


@pytest.mark.parametrize("title", QUESTIONS)
def test_a_reader_may_ask_it_even_of_marts_without_data(title: str, ask_nothing: Ask) -> None:
    assert ask_nothing(QUESTIONS[title][1]) == [] or title in SAYS_THAT_NOTHING_IS_THERE


@pytest.mark.parametrize("title", QUESTIONS)
def test_a_reader_gets_an_answer(title: str, ask: Ask) -> None:
    rows = ask(QUESTIONS[title][1])
    assert bool(rows) or title in MAY_FIND_NOTHING


def columns_of(ask: Ask) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, column in ask(
        "select relname::text, attname::text from pg_attribute join pg_class on pg_class.oid = attrelid"
        " where relnamespace = 'marts'::regnamespace and relkind in ('r', 'p', 'v', 'm') and attnum > 0"
    ):
        found.setdefault(table, set()).add(column)
    assert len(found) > 30
    return found


def test_every_mart_has_its_line(ask_nothing: Ask) -> None:
    cells = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(listed) == sorted(columns_of(ask_nothing))


def test_the_picture_joins_what_exists(ask_nothing: Ask) -> None:
    columns = columns_of(ask_nothing)
    (picture,) = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
    joins = re.findall(r'(\w+) \S+--\S+ (\w+) : (?:"(.+?)"|(\w+))', picture)
    assert len(joins) == len(picture.strip().splitlines()) - 1
    for one, many, words, word in joins:
        known = columns[one] | columns[many]
        for column in re.findall(r"\w+_\w+", words or word):
            assert column in known, (one, many, column)
