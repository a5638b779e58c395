"""COPY keeps values as they are."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmart.warehouse import connect, copy_rows, copy_table

pytestmark = pytest.mark.postgres

texts = st.lists(
    st.one_of(
        st.none(),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
    ),
    min_size=1,
    max_size=20,
)


@pytest.fixture(scope="module")
def database(make_database: Callable[[], str]) -> str:
    dsn = make_database()
    with connect(dsn) as conn:
        conn.execute("create table ops.copied (place integer, value text)")
    return dsn


@settings(deadline=None)
@given(values=texts)
def test_arrow_texts_come_back_as_they_went_in(database: str, values: list[str | None]) -> None:
    with connect(database) as conn:
        conn.execute("truncate ops.copied")
        table = pa.table(
            {
                "place": pa.array(range(len(values)), pa.int32()),
                "value": pa.array(values, pa.string()),
            }
        )
        assert copy_table(conn, "ops.copied", table) == len(values)
        found = conn.execute("select value from ops.copied order by place").fetchall()
    assert [value for (value,) in found] == values


def test_python_rows_and_their_count(database: str) -> None:
    rows = [(1, "a\tb\\n"), (2, None), (3, "")]
    with connect(database) as conn:
        conn.execute("truncate ops.copied")
        assert copy_rows(conn, "ops.copied", ("place", "value"), rows) == 3
        found = conn.execute("select place, value from ops.copied order by place").fetchall()
    assert found == rows
