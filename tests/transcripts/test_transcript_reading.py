"""Every supplier's shape comes out as the same transcript; broken ones say why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml.transcripts import Transcript, TranscriptError, call_id_of, read_transcript

OWN = {
    "call_id": "t-1",
    "language": "zh",
    "engine": "a supplier 7",
    "segments": [
        {
            "role": "agent",
            "start_ms": 1200,
            "end_ms": 3400,
            "text": "您好，这里是客服",
            "words": [{"text": "您好", "start_ms": 1200, "end_ms": 1500, "confidence": 0.93}],
        },
        {"role": "customer", "start_ms": 3500, "end_ms": 4000, "text": "你好"},
    ],
}
ANALYTICS = {
    "LanguageCode": "en-US",
    "JobName": "job",
    "Transcript": [
        {
            "ParticipantRole": "AGENT",
            "Content": "Hello there.",
            "BeginOffsetMillis": 100,
            "EndOffsetMillis": 900,
            "Items": [
                {
                    "Type": "pronunciation",
                    "Content": "Hello",
                    "BeginOffsetMillis": 100,
                    "EndOffsetMillis": 400,
                },
                {
                    "Type": "pronunciation",
                    "Content": "there",
                    "BeginOffsetMillis": 410,
                    "EndOffsetMillis": 900,
                },
                {"Type": "punctuation", "Content": "."},
            ],
        },
        {
            "ParticipantRole": "CUSTOMER",
            "Content": "Hi",
            "BeginOffsetMillis": 1000,
            "EndOffsetMillis": 1200,
        },
    ],
}


def word(text: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {
        "type": "pronunciation",
        "start_time": str(start),
        "end_time": str(end),
        "alternatives": [{"confidence": "0.9", "content": text}],
        **more,
    }


def mark(text: str) -> dict[str, Any]:
    return {"type": "punctuation", "alternatives": [{"confidence": "0.0", "content": text}]}


SPEAKERS = {
    "jobName": "job",
    "results": {
        "language_code": "en-US",
        "transcripts": [{"transcript": "Hello there. Hi."}],
        "speaker_labels": {
            "speakers": 2,
            "segments": [
                {
                    "start_time": "0.1",
                    "end_time": "0.9",
                    "speaker_label": "spk_0",
                    "items": [
                        {"start_time": "0.1", "end_time": "0.4", "speaker_label": "spk_0"},
                        {"start_time": "0.41", "end_time": "0.9", "speaker_label": "spk_0"},
                    ],
                },
                {
                    "start_time": "1.0",
                    "end_time": "1.2",
                    "speaker_label": "spk_1",
                    "items": [{"start_time": "1.0", "end_time": "1.2", "speaker_label": "spk_1"}],
                },
            ],
        },
        "items": [
            word("Hello", 0.1, 0.4),
            word("there", 0.41, 0.9),
            mark("."),
            word("Hi", 1.0, 1.2),
            mark("."),
        ],
    },
    "status": "COMPLETED",
}
CHANNELS = {
    "results": {
        "language_code": "en-US",
        "channel_labels": {
            "number_of_channels": 2,
            "channels": [
                {
                    "channel_label": "ch_0",
                    "items": [word("Hello", 0.1, 0.4), mark(","), word("bye", 2.0, 2.4), mark(".")],
                },
                {"channel_label": "ch_1", "items": [word("Hi", 1.0, 1.2), mark("!")]},
            ],
        },
        "items": [],
    }
}
WHISPER = {
    "text": " Hello there. Hi.",
    "language": "en",
    "segments": [
        {
            "id": 0,
            "start": 0.1,
            "end": 0.9,
            "text": " Hello there.",
            "words": [{"word": " Hello", "start": 0.1, "end": 0.4, "probability": 0.9}],
        },
        {"id": 1, "start": 1.0, "end": 1.2, "text": " Hi."},
    ],
}
WHISPERX = {
    "language": "en",
    "segments": [
        {
            "start": 0.1,
            "end": 0.9,
            "text": "Hello there.",
            "speaker": "SPEAKER_00",
            "words": [
                {"word": "Hello", "start": 0.1, "end": 0.4, "score": 0.9, "speaker": "SPEAKER_00"}
            ],
        }
    ],
    "word_segments": [],
}
WHISPER_CPP = {
    "result": {"language": "zh"},
    "transcription": [{"timestamps": {}, "offsets": {"from": 100, "to": 900}, "text": "您好"}],
}
VTT = """WEBVTT - a call
Language: en

NOTE this is skipped
--> not a cue

STYLE
::cue { color: red }

1
00:01.200 --> 00:03.400 align:start
<v Agent>Hello &amp; <b>welcome</b>
to us</v>

00:00:03.500 --> 00:00:04.000
<v.loud Customer>Hi</v>
"""
SRT = """1
00:00:12,500 --> 00:00:15,288
Nobody is available.

2
00:00:15,538 --> 00:00:21,193
<i>Please leave</i> your message
after the tone.
"""


def read(document: Any, name: str = "c1.json", **more: Any) -> Transcript:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_transcript(data, name, **more)


def rows(transcript: Transcript) -> list[tuple[Any, ...]]:
    return [(s.index, s.role, s.start_ms, s.end_ms, s.text) for s in transcript.segments]


@pytest.mark.parametrize(
    ("document", "format_name", "language", "expected"),
    [
        (
            OWN,
            "callmart",
            "zh",
            [(0, "agent", 1200, 3400, "您好，这里是客服"), (1, "customer", 3500, 4000, "你好")],
        ),
        (
            ANALYTICS,
            "amazon_transcribe_call_analytics",
            "en-US",
            [(0, "agent", 100, 900, "Hello there."), (1, "customer", 1000, 1200, "Hi")],
        ),
        (
            SPEAKERS,
            "amazon_transcribe",
            "en-US",
            [(0, None, 100, 900, "Hello there."), (1, None, 1000, 1200, "Hi.")],
        ),
        (
            CHANNELS,
            "amazon_transcribe",
            "en-US",
            [
                (0, "agent", 100, 400, "Hello,"),
                (1, "customer", 1000, 1200, "Hi!"),
                (2, "agent", 2000, 2400, "bye."),
            ],
        ),
        (
            WHISPER,
            "whisper",
            "en",
            [(0, None, 100, 900, " Hello there."), (1, None, 1000, 1200, " Hi.")],
        ),
        (WHISPERX, "whisperx", "en", [(0, None, 100, 900, "Hello there.")]),
        (WHISPER_CPP, "whisper.cpp", "zh", [(0, None, 100, 900, "您好")]),
        (
            VTT.encode(),
            "webvtt",
            "en",
            [(0, "agent", 1200, 3400, "Hello & welcome\nto us"), (1, "customer", 3500, 4000, "Hi")],
        ),
        (
            SRT.encode(),
            "srt",
            None,
            [
                (0, None, 12500, 15288, "Nobody is available."),
                (1, None, 15538, 21193, "Please leave your message\nafter the tone."),
            ],
        ),
    ],
    ids=[
        "own",
        "analytics",
        "speakers",
        "channels",
        "whisper",
        "whisperx",
        "whisper.cpp",
        "vtt",
        "srt",
    ],
)
def test_each_shape_comes_as_delivered(
    document: Any, format_name: str, language: str | None, expected: list[tuple[Any, ...]]
) -> None:
    transcript = read(document)
    assert (transcript.format, transcript.language) == (format_name, language)
    assert rows(transcript) == expected


def test_words_keep_their_own_times() -> None:
    assert [(w.text, w.start_ms, w.end_ms) for w in read(ANALYTICS).segments[0].words] == [
        ("Hello", 100, 400),
        ("there", 410, 900),
    ]
    assert [(w.text, w.start_ms, w.confidence) for w in read(WHISPER).segments[0].words] == [
        (" Hello", 100, 0.9)
    ]
    assert read(OWN).segments[0].words[0].confidence == 0.93
    assert [w.start_ms for w in read(CHANNELS).segments[0].words] == [100]


def test_chinese_items_are_not_set_apart_by_blanks() -> None:
    document = {
        "results": {
            "language_code": "zh-CN",
            "items": [word("您好", 0, 1), mark("，"), word("先生", 1, 2)],
        }
    }
    assert [s.text for s in read(document).segments] == ["您好，先生"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030", "cp936"]
)
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OWN, ensure_ascii=False),
        "1\n00:00:01,000 --> 00:00:02,000\n您好，这里是客服\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v 坐席>您好，这里是客服\n",
    ],
    ids=["json", "srt", "vtt"],
)
def test_any_encoding_of_the_contract(text: str, encoding: str) -> None:
    transcript = read(text.encode(encoding))
    assert transcript.segments[0].text == "您好，这里是客服"


def test_four_byte_gb18030_and_carriage_returns() -> None:
    text = "1\r\n00:00:01,000 --> 00:00:02,000\r\n客户：刘䶮说𠮷利很好\r\n\r\n"
    segment = read(text.encode("gb18030")).segments[0]
    assert (segment.role, segment.text[segment.speech_start :]) == ("customer", "刘䶮说𠮷利很好")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"hello", "neither JSON, WebVTT nor SRT"),
        (b"3", "neither JSON"),
        (b"[1, 2]", "no segments"),
        (b'{"a": 1}', "no known shape"),
        (b'{"segments": 3}', "not a list"),
        (b'{"call_id": "c", "segments": [3]}', "segment 0 is not an object"),
        (b'{"call_id": "c", "segments": [{"role": "agent"}]}', "segment 0: text is not text"),
        (b'{"call_id": 5, "segments": []}', "call_id is not text"),
        (b'{"call_id": "c", "segments": [{"role": "agent", "text": "a\\ud83d b"}]}', "surrogate"),
        (b'{"call_id": "c\\udc00", "segments": []}', "surrogate"),
        (
            b'{"call_id": "c", "segments": [{"text": "a", "words": [{"text": "\\udfff"}]}]}',
            "surrogate",
        ),
        ("您好您好您好".encode() + b"\xff" + b'{"segments": []}', "not UTF-8: byte 0xff"),
        (b"\xff\xfe\x00\xd8", "not utf-16"),
        (b'{"results": {}}', "results without items"),
        (b'{"results": {"items": [{"type": "pronunciation"}]}}', "item 0: no content"),
        (b"one --> two\nhello", "neither JSON, WebVTT nor SRT"),
    ],
)
def test_a_broken_transcript_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(TranscriptError, match=reason):
        read_transcript(data, "c.json")


def test_a_whole_surrogate_pair_is_one_character() -> None:
    document = b'{"call_id": "c", "segments": [{"role": "agent", "text": "\\ud83d\\ude00!"}]}'
    assert read_transcript(document, "c.json").segments[0].text == "😀!"


def test_disorder_is_repaired_and_said() -> None:
    document = {
        "call_id": "c",
        "segments": [
            {"role": "agent", "start_ms": 5000, "text": "third"},
            {"role": "customer", "start_ms": 1000, "text": "first"},
            {"role": "agent", "text": "second, without a time"},
        ],
    }
    transcript = read(document)
    assert [(s.index, s.text) for s in transcript.segments] == [
        (1, "first"),
        (2, "second, without a time"),
        (0, "third"),
    ]
    assert any("out of order" in problem for problem in transcript.problems)


@pytest.mark.parametrize(
    ("start", "end", "expected", "said"),
    [
        (-5, 10, (None, 10), "no time"),
        (10, 5, (10, None), "ends before it starts"),
        ("soon", 5, (None, 5), "no time"),
        (True, 5, (None, 5), "no time"),
        (float("nan"), 5, (None, 5), "no time"),
        (10**15, None, (None, None), "no time"),
        ("1200", 1300.4, (1200, 1300), None),
        (0, 0, (0, 0), None),
    ],
)
def test_times_are_checked(
    start: Any, end: Any, expected: tuple[Any, Any], said: str | None
) -> None:
    transcript = read(
        {
            "call_id": "c",
            "segments": [{"role": "agent", "text": "x", "start_ms": start, "end_ms": end}],
        }
    )
    segment = transcript.segments[0]
    assert (segment.start_ms, segment.end_ms) == expected
    assert any(said in p for p in transcript.problems) if said else transcript.problems == ()


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("agent", "agent"),
        ("AGENT", "agent"),
        ("Agent Smith", "agent"),
        ("agent_1", "agent"),
        ("坐席", "agent"),
        ("客服", "agent"),
        ("客户2", "customer"),
        ("Customer", "customer"),
        ("ch_0", "agent"),
        ("ch_1", "customer"),
        ("SYSTEM", None),
        ("spk_0", None),
        ("caller", None),
        (None, None),
    ],
)
def test_labels_become_sides(label: str | None, role: str | None) -> None:
    transcript = read({"call_id": "c", "segments": [{"role": label, "text": "x"}]})
    assert transcript.segments[0].role == role
    assert any("without a known side" in p for p in transcript.problems) == (role is None)


def test_a_source_may_say_who_its_speakers_are() -> None:
    transcript = read(SPEAKERS, sides={"spk_0": "agent", "spk_1": "customer"})
    assert [s.role for s in transcript.segments] == ["agent", "customer"]
    swapped = read(CHANNELS, sides={"ch_0": "customer", "ch_1": "agent"})
    assert [s.role for s in swapped.segments] == ["customer", "agent", "customer"]


@pytest.mark.parametrize(
    ("line", "role", "speech"),
    [
        ("Agent: hello", "agent", "hello"),
        ("[Customer] hello", "customer", "hello"),
        ("坐席：您好", "agent", "您好"),
        ("【客户】您好", "customer", "您好"),
        ("- AGENT 1: hello", "agent", "hello"),
        ("Speaker 0: hello", None, "hello"),
        ("Note: hello", None, "Note: hello"),
        ("The agent: hello", None, "The agent: hello"),
    ],
)
def test_names_before_the_speech_of_a_cue(line: str, role: str | None, speech: str) -> None:
    segment = read(f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n".encode()).segments[0]
    assert segment.text == line
    assert (segment.role, segment.text[segment.speech_start :]) == (role, speech)


def test_a_cue_without_a_name_goes_on_with_the_last_one() -> None:
    text = "".join(
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{line}\n\n"
        for n, line in enumerate(["Agent: one", "two", "Customer: three", "four"], 1)
    )
    transcript = read(text.encode())
    assert [s.role for s in transcript.segments] == ["agent", "agent", "customer", "customer"]
    assert any("2 cues without a name" in problem for problem in transcript.problems)


def test_two_voices_in_one_cue_are_two_segments() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Agent>Hello</v>\n<v Customer>Hi there</v>\n"
    assert rows(read(text.encode())) == [
        (0, "agent", 1000, 2000, "Hello"),
        (1, "customer", 1000, 2000, "Hi there"),
    ]


def test_a_cue_with_illegible_times_stays_and_is_said() -> None:
    transcript = read(
        b"1\n00:00:01,000 --> 00:00:02,000\none\n\n2\n00:0x:02 --> 00:00:03,000\ntwo --> three\n"
    )
    assert rows(transcript)[1] == (1, None, None, None, "two --> three")
    assert any("no times" in problem for problem in transcript.problems)


@pytest.mark.parametrize(
    ("name", "call_id"),
    [
        ("transcripts/dt=2026-11-18/7f3a9c52e1b04d@pbx-sh1.json", "7f3a9c52e1b04d@pbx-sh1"),
        ("cmpC_eu_00021.take-1.srt", "cmpC_eu_00021.take-1"),
        ("1795010700.4021.vtt", "1795010700.4021"),
        ("a.wav.json", "a"),
        ("a.b.customer.json", "a.b"),
        ("C:\\calls\\x.JSON", "x"),
        ("plain", "plain"),
    ],
)
def test_the_call_id_stands_before_the_first_known_suffix(name: str, call_id: str) -> None:
    assert call_id_of(name) == call_id
    assert read(SRT.encode(), name).call_id == call_id


def test_the_landing_key_outranks_the_file_which_outranks_its_name() -> None:
    assert read(OWN, "other.json").call_id == "t-1"
    given = read(OWN, "other.json", call_id="key")
    assert given.call_id == "key"
    assert any("names call t-1" in problem for problem in given.problems)


@pytest.mark.parametrize(
    ("given", "read_as"), [(True, True), (False, False), (None, None), ("yes", None)]
)
def test_is_connected_is_taken_as_said(given: Any, read_as: bool | None) -> None:
    assert read({**OWN, "is_connected": given}).is_connected is read_as


def test_real_deliveries(test_data: Path) -> None:
    expected = json.loads((test_data / "landing" / "expected.json").read_text())["transcripts"]
    assert len(expected) == 9
    for item in expected:
        path = test_data / "landing" / item["path"]
        transcript = read_transcript(path.read_bytes(), path.name)
        assert (transcript.call_id, len(transcript.segments)) == (item["call_id"], item["segments"])
        wanted = {"own JSON": "callmart", "SRT": "srt"}.get(
            item["format"], "amazon_transcribe_call_analytics"
        )
        assert transcript.format == wanted
