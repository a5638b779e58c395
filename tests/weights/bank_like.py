"""Simulated telemarketing contacts in the layout of a public bank campaign, with the chance of each known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
JOBS = ("admin.", "blue-collar", "entrepreneur", "housemaid", "management", "retired",
        "self-employed", "services", "student", "technician", "unemployed", "unknown")  # fmt: skip


def bank_contacts(n: int, seed: int = 0) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """n contacts with `y` (yes, no), and the true chance of a yes of each (n,) before the call.

    The chance is additive on the logit: U-shaped in age, steps for job, month and what came of the
    last campaign, -1 in pdays for "never called". duration is drawn after the outcome.
    """
    rng = np.random.default_rng(seed)
    age = np.clip(rng.gamma(14, 3, n), 18, 95).round()
    job = rng.choice(JOBS, n, p=[.11, .215, .03, .03, .21, .05, .035, .09, .02, .17, .03, .01])  # fmt: skip
    months = [.03, .06, .01, .065, .305, .12, .15, .14, .015, .015, .085, .005]  # fmt: skip
    month = rng.choice(12, n, p=months)
    day = rng.integers(1, 32, n)
    housing, loan = rng.random(n) < 0.55, rng.random(n) < 0.16
    contact = rng.choice(["cellular", "telephone", "unknown"], n, p=[0.65, 0.06, 0.29])
    campaign = np.minimum(rng.geometric(0.4, n), 50)
    called = rng.random(n) < 0.18
    pdays = np.where(called, rng.integers(1, 600, n), -1)
    last = rng.choice(["failure", "other", "success"], n, p=[0.6, 0.22, 0.18])
    poutcome = np.where(called, last, "unknown")
    balance = np.round(rng.normal(0, 1, n) ** 3 * 900 + 700)
    job_worth = dict(zip(JOBS, rng.normal(0, 0.35, len(JOBS)), strict=True))
    month_worth = np.array([0, 0.2, 1.4, 0.4, -0.7, 0.1, -0.4, -0.3, 1.3, 1.3, -0.3, 1.5])
    logit = (
        -1.55
        + 0.0011 * (age - 42) ** 2
        + np.array([job_worth[name] for name in job])
        + month_worth[month]
        + 0.25 * np.sin(day / 5)
        - 0.55 * housing
        - 0.4 * loan
        - 1.1 * (contact == "unknown")
        - 0.12 * np.minimum(campaign - 1, 10)
        + np.select([poutcome == "success", poutcome == "other"], [2.2, 0.3], 0)
        - 0.0012 * np.where(called, pdays, 0)
        + 0.35 * np.tanh(balance / 1500)
    )
    chance = 1 / (1 + np.exp(-logit))
    bought = rng.random(n) < chance
    frame = pd.DataFrame(
        {
            "age": age.astype(int),
            "job": job,
            "marital": rng.choice(["married", "single", "divorced"], n, p=[0.6, 0.28, 0.12]),
            "education": rng.choice(["primary", "secondary", "tertiary", "unknown"], n),
            "default": rng.choice(["no", "yes"], n, p=[0.98, 0.02]),
            "balance": balance.astype(int),
            "housing": np.where(housing, "yes", "no"),
            "loan": np.where(loan, "yes", "no"),
            "contact": contact,
            "day": day,
            "month": np.array(MONTHS)[month],
            "duration": np.round(rng.gamma(2, np.where(bought, 270, 110))).astype(int),
            "campaign": campaign,
            "pdays": pdays,
            "previous": np.where(called, rng.geometric(0.4, n), 0),
            "poutcome": poutcome,
            "y": np.where(bought, "yes", "no"),
        }
    )
    return frame, chance


def write_bank(path: Path, frame: pd.DataFrame) -> Path:
    """As the public file is written: `;` between, words in quotes."""
    frame.to_csv(path, sep=";", index=False, quoting=2)
    return path
