"""Turns, silences, interruptions and responses from hand-made spans."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ml.audio.conversation import describe_conversation


def test_figures_of_a_small_dialogue() -> None:
    speech = {
        "agent": [(1.0, 3.0), (3.4, 5.0), (12.0, 14.0)],
        "customer": [(5.8, 7.0), (13.5, 16.0)],
    }
    found = describe_conversation(speech, 20.0)
    assert found.turns == [
        ("agent", 1.0, 5.0),
        ("customer", 5.8, 7.0),
        ("agent", 12.0, 14.0),
        ("customer", 13.5, 16.0),
    ]
    assert found.talk_seconds == pytest.approx({"agent": 5.6, "customer": 3.7})
    assert found.turn_counts == {"agent": 2, "customer": 2}
    assert found.longest_turn_seconds == pytest.approx({"agent": 4.0, "customer": 2.5})
    assert found.first_speech_seconds == {"agent": 1.0, "customer": 5.8}
    # 0–1, 3–3.4, 5–5.8, 7–12, 16–20
    assert found.silence_seconds == pytest.approx(11.2)
    assert found.mutual_silence_over_3s_seconds == pytest.approx(9.0)
    assert found.overlap_seconds == pytest.approx(0.5)
    assert found.interruptions == {"agent": 0, "customer": 1}
    # 7.0 → 12.0 for the agent, 5.0 → 5.8 for the customer (the interruption is no response)
    assert found.response_medians == pytest.approx({"agent": 5.0, "customer": 0.8})


@pytest.mark.parametrize(
    ("case", "customer", "count"),
    [
        ("takes the floor", (4.0, 7.0), 1),
        ("a back-channel", (3.0, 3.4), 0),
        ("long, but gives the floor back", (2.0, 4.0), 0),
        ("both begin together", (1.2, 7.0), 0),
        ("begins as the other ends", (5.0, 7.0), 0),
    ],
)
def test_who_cut_in(case: str, customer: tuple[float, float], count: int) -> None:
    found = describe_conversation({"agent": [(1.0, 5.0)], "customer": [customer]}, 10.0)
    assert found.interruptions == {"agent": 0, "customer": count}, case


def test_a_pause_in_which_the_other_speaks_ends_the_turn() -> None:
    speech = {"agent": [(1.0, 3.0), (3.5, 5.0)], "customer": [(3.1, 3.4)]}
    assert describe_conversation(speech, 6.0).turn_counts == {"agent": 2, "customer": 1}


def test_one_channel_says_nothing_of_sides() -> None:
    found = describe_conversation({"mixed": [(0.5, 2.0), (6.0, 7.0)]}, 8.0)
    assert found.overlap_seconds is None
    assert found.interruptions is None
    assert found.response_medians == {"mixed": None}
    assert found.mutual_silence_over_3s_seconds == pytest.approx(4.0)


def test_nobody_speaks() -> None:
    found = describe_conversation({"agent": [], "customer": []}, 4.0)
    assert found.first_speech_seconds == {"agent": None, "customer": None}
    assert found.silence_seconds == 4.0
    assert found.response_medians == {"agent": None, "customer": None}


@st.composite
def spans(draw: st.DrawFn) -> list[tuple[float, float]]:
    edges = sorted(draw(st.lists(st.integers(0, 480), max_size=12, unique=True)))
    return [(a / 8, b / 8) for a, b in zip(edges[::2], edges[1::2], strict=False)]


@given(spans(), spans())
def test_the_seconds_add_up(agent: list[tuple[float, float]], customer) -> None:
    found = describe_conversation({"agent": agent, "customer": customer}, 60.0)
    talked = sum(found.talk_seconds.values())
    assert found.overlap_seconds is not None
    assert talked - found.overlap_seconds + found.silence_seconds == pytest.approx(60.0)
    assert 0 <= found.mutual_silence_over_3s_seconds <= found.silence_seconds + 1e-9
    assert sum(found.turn_counts.values()) == len(found.turns)


@given(spans(), spans())
def test_shares_overlap_and_interruptions_stay_within_bounds(agent, customer) -> None:
    found = describe_conversation({"agent": agent, "customer": customer}, 60.0)
    talk = found.talk_seconds
    assert found.overlap_seconds is not None
    assert found.interruptions is not None
    assert found.overlap_seconds <= min(talk.values()) + 1e-9
    for side, seconds in talk.items():
        assert found.longest_turn_seconds[side] >= max(
            (b - a for a, b in (agent if side == "agent" else customer)), default=0.0
        )
        assert 0 <= seconds <= 60.0
        assert found.interruptions[side] <= found.turn_counts[side]
    if sum(talk.values()):
        assert sum(seconds / sum(talk.values()) for seconds in talk.values()) == pytest.approx(1.0)


@given(spans(), spans())
def test_swapping_the_sides_swaps_the_figures(agent, customer) -> None:
    # Who of two that begin in the same instant comes first is nobody's figure.
    assume(not {a for a, _ in agent} & {a for a, _ in customer})
    one = describe_conversation({"agent": agent, "customer": customer}, 60.0)
    two = describe_conversation({"agent": customer, "customer": agent}, 60.0)
    for name in (
        "talk_seconds",
        "turn_counts",
        "longest_turn_seconds",
        "first_speech_seconds",
        "interruptions",
        "response_medians",
    ):
        left, right = getattr(one, name), getattr(two, name)
        assert left["agent"] == right["customer"], name
        assert left["customer"] == right["agent"], name
    assert one.overlap_seconds == two.overlap_seconds
    assert one.silence_seconds == two.silence_seconds


@given(spans(), spans(), st.integers(1, 200))
def test_a_later_start_moves_the_first_words_alone(agent, customer, later: int) -> None:
    """Recorded from later on, the same talk gives the same figures; the silence before it grows."""
    moved = {
        side: [(a + later, b + later) for a, b in given_spans]
        for side, given_spans in (("agent", agent), ("customer", customer))
    }
    one = describe_conversation({"agent": agent, "customer": customer}, 60.0)
    two = describe_conversation(moved, 60.0 + later)
    assert two.turn_counts == one.turn_counts
    assert two.interruptions == one.interruptions
    assert two.talk_seconds == pytest.approx(one.talk_seconds)
    assert two.longest_turn_seconds == pytest.approx(one.longest_turn_seconds)
    assert two.silence_seconds == pytest.approx(one.silence_seconds + later)
    for side, first in one.first_speech_seconds.items():
        if first is None:
            assert two.first_speech_seconds[side] is None
        else:
            assert two.first_speech_seconds[side] == pytest.approx(first + later)


def test_voices_of_one_channel_cannot_be_heard_at_once() -> None:
    speech = {"agent": [(1.0, 3.0), (6.0, 8.0)], "customer": [(4.0, 5.0)]}
    found = describe_conversation(speech, 10.0, overlap_is_heard=False)
    assert found.overlap_seconds is None
    assert found.interruptions is None
    assert found.response_medians == pytest.approx({"agent": 1.0, "customer": 1.0})
