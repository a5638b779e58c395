"""docs/weights.md is what the seeds say, and each number there has its reason and source."""

from __future__ import annotations

import csv

import pytest

from callmart.settings import PROJECT_ROOT
from callmart.weights.page import SEEDS, weights_page


def test_the_page_is_that_of_the_seeds() -> None:
    page = (PROJECT_ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    assert page == weights_page(), "run: python -m callmart.weights.page > docs/weights.md"


@pytest.mark.parametrize("name", ["evaluation_weights", "quality_weights", "quality_tiers"])
def test_every_number_has_its_reason(name: str) -> None:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert row["reason"].strip(), row
        assert row.get("source", "given").strip(), row
