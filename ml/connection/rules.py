"""The constants of `decision.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

RULES_PATH = Path(__file__).with_name("decision.yaml")
CALIBRATION_PATH = Path(__file__).with_name("calibration.yaml")
"""Weights and confidences that `ml.connection.calibration` fits and writes."""


@cache
def load_rules(path: Path = RULES_PATH) -> dict[str, Any]:
    """The rules by which sounds become an outcome, read once."""
    rules: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return rules
