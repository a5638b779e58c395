"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real recordings and extracts that the environment names; skipped where absent."""
    configured = os.environ.get("CALLMART_TEST_DATA")
    if not configured:
        pytest.skip(
            "CALLMART_TEST_DATA is not set: it names the folder that holds landing/, emotion/"
        )
    path = Path(configured)
    if not path.is_dir():
        pytest.skip(f"CALLMART_TEST_DATA={path} is not a folder")
    return path
