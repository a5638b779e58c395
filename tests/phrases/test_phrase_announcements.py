"""What networks and machines say, and that people are not taken for machines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ml.phrases.announcements import announcement_outcome
from ml.transcripts import Transcript, read_transcript


def call(*turns: tuple[str | None, str]) -> Transcript:
    segments = [
        {"role": role, "text": text, "start_ms": n * 3000} for n, (role, text) in enumerate(turns)
    ]
    return read_transcript(json.dumps({"call_id": "c", "segments": segments}).encode(), "c.json")


def outcome(*turns: tuple[str | None, str]) -> str | None:
    found = announcement_outcome(call(*turns))
    return found[0] if found else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("您好，您拨打的号码是空号，请核对后再拨", "invalid_number"),
        ("您拨打的号码不存在", "invalid_number"),
        ("The number you have dialed is not in service.", "invalid_number"),
        ("We're sorry, your call cannot be completed as dialed", "invalid_number"),
        ("您好，您拨打的电话已关机", "switched_off"),
        ("对不起，您拨打的用户已官机", "switched_off"),
        ("The phone you are calling is switched off", "switched_off"),
        ("您好，您拨打的电话已停机", "out_of_service"),
        ("The number is temporarily out of service", "out_of_service"),
        ("对不起，您拨打的电话暂时无法接通，请稍后再拨", "unreachable"),
        ("您拨打的用户不在服务区", "unreachable"),
        ("The subscriber you have dialled cannot be reached at the moment", "unreachable"),
        ("您好，您拨打的电话正在通话中，请稍后再拨", "busy"),
        ("Sorry, the number you have dialed is busy now", "busy"),
        ("您拨打的电话暂时无人接听，请稍后再拨", "no_answer"),
        ("您好，您撥打的電話無人接聽", "no_answer"),
        ("Nobody is available to take your call at the moment.", "no_answer"),
        ("All circuits are busy now, please try your call again later", "congestion"),
        ("网络忙，请稍后再拨", "congestion"),
        ("您好，请在提示音后留言", "voicemail"),
        ("Please leave your message after the tone", "voicemail"),
        (
            "Hi, this is Bob, I'm not available right now, leave a message after the beep",
            "voicemail",
        ),
        ("the user's mail box can't accept more messages", "voicemail"),
        ("欢迎致电，中文服务请按1，人工服务请按0", "ivr"),
        ("For accounting, press three. For an operator, press zero.", "ivr"),
        ("座席忙，请不要挂机", "ivr"),
        ("喂，您好，哪位", None),
        ("Hello? Who is this?", None),
        ("我现在有点忙", None),
        ("I'm busy now", None),
        ("", None),
    ],
)
def test_announcements(text: str, expected: str | None) -> None:
    assert outcome(("customer", text)) == expected
    assert outcome((None, text)) == expected
    assert outcome(("agent", text)) is None


def test_the_words_and_their_place_come_along() -> None:
    found = announcement_outcome(call(("agent", "喂"), ("customer", "您拨打的号码是空号")))
    assert found is not None
    assert (found[1].segment_index, found[1].text) == (1, "是空号")


def test_a_person_who_takes_turns_is_no_machine() -> None:
    talk = [("agent", "您好"), ("customer", "你好")] * 4
    assert outcome(*talk, ("customer", "他的电话已关机")) is None
    assert outcome(("customer", "您拨打的电话已关机"), ("agent", "喂")) == "switched_off"


def test_late_words_are_a_persons() -> None:
    late = [("customer", "我们说的是")] * 20
    assert outcome(*late, ("customer", "您拨打的电话已关机")) is None


def test_real_announcements(test_data: Path) -> None:
    landing = test_data / "landing"
    with (landing / "truth.csv").open(encoding="utf-8", newline="") as lines:
        truth = {row["call_id"]: row for row in csv.DictReader(lines)}
    decided = {}
    for path in sorted((landing / "transcripts").glob("*/*")):
        transcript = read_transcript(path.read_bytes(), path.name)
        found = announcement_outcome(transcript)
        decided[transcript.call_id] = found[0] if found else "human"
    assert len(decided) == 9
    assert decided == {call_id: truth[call_id]["outcome"] for call_id in decided}
