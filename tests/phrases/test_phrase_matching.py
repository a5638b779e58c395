"""What the rules find, to the letter: places, times, joints, negations, sounds, slips."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ml.phrases import Hit, Matcher, load_rules, parse_rule, score
from ml.transcripts import Transcript, read_transcript


def rule(**keys: Any) -> dict[str, Any]:
    return {"id": "r", "severity": "minor", **keys}


def call(*turns: Any, **head: Any) -> Transcript:
    """Turns: text, or (role, text), or (role, start_ms, text), or a mapping."""
    segments = []
    for turn in turns:
        if isinstance(turn, str):
            segments.append({"role": "agent", "text": turn})
        elif isinstance(turn, dict):
            segments.append(turn)
        elif len(turn) == 2:
            segments.append({"role": turn[0], "text": turn[1]})
        else:
            segments.append(
                {"role": turn[0], "start_ms": turn[1], "end_ms": turn[1] + 900, "text": turn[2]}
            )
    document = {"call_id": "c", "segments": segments, **head}
    return read_transcript(json.dumps(document).encode(), "c.json")


def find(definition: dict[str, Any], *turns: Any, **head: Any) -> list[Hit]:
    return Matcher([parse_rule(definition)]).find(call(*turns, **head))


def spans(hits: list[Hit]) -> list[tuple[int | None, int | None, str | None]]:
    return [(hit.char_start, hit.char_end, hit.text) for hit in hits]


# phrase or rule, text, what is found in it
LITERAL = [
    ("保证收益", "我们保证收益。", ["保证收益"]),
    ("保证收益", "保证收益保证收益", ["保证收益", "保证收益"]),
    ("保证收益", "我们保 证 收 益", ["保 证 收 益"]),
    ("保证收益", "保证，收益", ["保证，收益"]),
    ("保证收益", "保证“收益”", ["保证“收益"]),
    ("保证收益", "保證收益", ["保證收益"]),
    ("保證收益", "保证收益", ["保证收益"]),
    ("保证收益", "保\u200b证😀收\u2060益", ["保\u200b证😀收\u2060益"]),
    ("保证收益", "保证\n收益", ["保证\n收益"]),
    ("保证收益", "保证。收益", []),
    ("保证收益", "保证！收益", []),
    ("保证收益", "保证收", []),
    ("ＶＩＰ客户", "尊敬的vip客户您好", ["vip客户"]),
    ("vip", "尊敬的ＶＩＰ客户", ["ＶＩＰ"]),
    ("30%", "回报３０％以上", ["３０％"]),
    ("30%", "回报 30 % 以上", ["30 %"]),
    ("30%", "回报30", []),
    ("30", "1300", []),
    ("30", "30%", ["30"]),
    ("7天", "17天", []),
    ("$5", "only $5 today", ["$5"]),
    ("+86", "拨打+86", ["+86"]),
    ("guaranteed return", "Guaranteed  Return!", ["Guaranteed  Return"]),
    ("guaranteed return", "guaranteed, return", ["guaranteed, return"]),
    ("guaranteed return", "guaranteed-return", ["guaranteed-return"]),
    ("guaranteed return", "guaranteed\nreturn", ["guaranteed\nreturn"]),
    ("guaranteed return", "guaranteed. Return it", []),
    ("guaranteed return", "guaranteed? return", []),
    ("guaranteed return", "guaranteed returns", []),
    ("guaranteed return", "unguaranteed return", []),
    ("guaranteed return", "guaranteedreturn", []),
    ("guaranteed return", "guaran teed return", []),
    ("guaranteed return", "guaran\u200bteed return", ["guaran\u200bteed return"]),
    ("guaranteed return", "我们有guaranteed return哦", ["guaranteed return"]),
    ("guaranteed return", "a “guaranteed return”, sir", ["guaranteed return"]),
    (
        "guaranteed return",
        "ｇｕａｒａｎｔｅｅｄ　ｒｅｔｕｒｎ",
        ["ｇｕａｒａｎｔｅｅｄ　ｒｅｔｕｒｎ"],
    ),
    ("pin", "spinning pins, opinion, pin.", ["pin"]),
    ("can", "you can't", []),
    ("can't", "you can’t", ["can’t"]),
    ("can't", "you cant", ["cant"]),
    ("the rapist", "the therapist", []),
    ("not in service", "no tin service", []),
    ("e-mail", "email or e-mail or e mail", ["email", "e-mail", "e mail"]),
    ("加我qq", "加我 QQ 号", ["加我 QQ"]),
    ("加我qq", "加我qqq", []),
    ("café", "a cafe, a CAFÉ", ["CAFÉ"]),
    ("哈哈", "哈哈哈哈哈", ["哈哈", "哈哈"]),
]


@pytest.mark.parametrize(("phrase", "text", "found"), LITERAL)
def test_phrases_are_found_literally(phrase: str, text: str, found: list[str]) -> None:
    hits = find(rule(any=[phrase]), text)
    assert [hit.text for hit in hits] == found
    for hit in hits:
        assert hit.char_start is not None
        assert text[hit.char_start : hit.char_end] == hit.text


def test_offsets_count_code_points() -> None:
    assert spans(find(rule(any=["收益"]), "😀𠮷 收益")) == [(3, 5, "收益")]


SOUNDS = [
    # recogniser's errors
    (True, "保证收益", "保证收意", True),
    (True, "保证收益", "泡证收益", False),
    (True, "验证码", "告诉我验正马", True),
    (True, "银行卡密码", "银航卡蜜码", True),
    (True, "重新办理", "虫新办理", True),
    (True, "加我QQ", "家我QQ", True),
    # tones are ignored, syllables are not
    (True, "你有病", "你有冰", True),
    (True, "你有病", "你有瓶", False),
    # 行 is hang in 银行 and xing in 行动, told by the context
    (True, "银行", "引航", True),
    (True, "银行", "银杏", False),
    (True, "行动", "杭动", False),
    (True, "行动", "形动", True),
    # alike only where the rule is loose
    (True, "保证收益", "保增收益", False),
    ("loose", "保证收益", "保增收益", True),
    ("loose", "保证收益", "保陈收益", False),
    ("loose", "上当", "桑丹", True),
    ("loose", "牛奶", "流来", True),
    (True, "牛奶", "流奶", False),
    ("loose", "金融", "京融", True),
    # literally the same always counts, and nothing sounds alike without the key
    (False, "保证收益", "保证收意", False),
    (False, "保证收益", "保证收益", True),
    (True, "保证收益", "保证收益", True),
    # punctuation between, as for letters
    (True, "保证收益", "保 证，收意", True),
    (True, "保证收益", "保证。收意", False),
]


@pytest.mark.parametrize(("homophones", "phrase", "text", "is_hit"), SOUNDS)
def test_what_sounds_alike(homophones: Any, phrase: str, text: str, is_hit: bool) -> None:
    assert bool(find(rule(any=[phrase], homophones=homophones), text)) == is_hit


SLIPS = [
    (1, "guaranteed return", "garanteed return", "garanteed return"),
    (1, "guaranteed return", "guaranteed retrun", "guaranteed retrun"),
    (1, "guaranteed return", "guaranteed returns", "guaranteed returns"),
    (1, "guaranteed return", "our gauranteed return!", "gauranteed return"),
    (1, "guaranteed return", "garanteed retrun", None),
    (2, "guaranteed return", "garanteed retrun", "garanteed retrun"),
    (1, "guaranteed return", "guaranteed. returns", None),
    (1, "guaranteed return", "a guaranteed return", "guaranteed return"),
    (1, "guaranteed return", "guaranteedreturn", "guaranteedreturn"),
    (0, "guaranteed return", "garanteed return", None),
    (1, "police", "polcie", "polcie"),
    (1, "police", "policy", "policy"),
    (2, "police", "polciy", "polciy"),
    (1, "polic", "polci", None),
    (1, "a b c d e", "a b c d f", None),
    (1, "return", "a reeturn today", "reeturn"),
    (1, "return 2024", "return 2025", None),
    (1, "加我wechat", "加我wecaht吧", "加我wecaht"),
    (1, "加我wechat", "找我wechat", None),
    (1, "this is the police", "this is teh police", "this is teh police"),
    (1, "this is the police", "thisis the police", "thisis the police"),
    (1, "shut up", "shut pu", "shut pu"),
]


@pytest.mark.parametrize(("edits", "phrase", "text", "found"), SLIPS)
def test_slips_of_spelling(edits: int, phrase: str, text: str, found: str | None) -> None:
    hits = find(rule(any=[phrase], max_edits=edits), text)
    assert [hit.text for hit in hits] == ([found] if found else [])


UNLESS = [
    # window, text, is it a hit
    (12, "我们不保证收益", False),
    (12, "我们保证收益", True),
    (12, "这款产品，不 保 证收益", False),
    (12, "不保证本金。" + "一" * 6 + "保证收益", False),
    (12, "不保证本金。" + "一" * 7 + "保证收益", True),
    (12, "保证收益" + "一" * 9 + "不保证", False),
    (12, "保证收益" + "一" * 10 + "不保证", True),
    (12, "保证收益 " + "，" * 30 + "不保证", False),
    (2, "不保证收益", False),
    (1, "我不保证收益", False),
    (4, "不保证，我保证收益", False),
    (3, "不保证，我保证收益", True),
    (3, "不保证，我我我保证收益", True),
    (0, "不保证" + "一" * 500 + "保证收益", False),
    (12, "布保证收益", True),
    (12, "no guarantee 保证收益", False),
    (12, "no guarantees 保证收益", True),
]


@pytest.mark.parametrize(("window", "text", "is_hit"), UNLESS)
def test_a_negation_clears_within_its_window(window: int, text: str, is_hit: bool) -> None:
    definition = rule(
        any=["保证收益"],
        unless=["不保证", "no guarantee"],
        unless_window_chars=window,
        homophones=True,
    )
    assert bool(find(definition, text)) == is_hit


def test_twelve_characters_are_the_usual_window() -> None:
    definition = rule(any=["保证收益"], unless=["不行"])
    assert not find(definition, "不行" + "一" * 10 + "保证收益")
    assert find(definition, "不行" + "一" * 11 + "保证收益")


def test_a_negation_counts_inside_its_turn_alone() -> None:
    definition = rule(any=["保证收益"], unless=["不保证"])
    assert find(definition, ("customer", "不保证"), ("agent", "保证收益"))
    assert not find(definition, ("agent", "不保证"), ("agent", "保证收益"))
    assert not find(definition, ("agent", "不保证吧"), ("customer", "嗯"), ("agent", "保证收益"))


REGEX = [
    (r"\b\d+% (a|per) (day|week)\b", "up to ３０％ A Day", ["３０％ A Day"]),
    (r"\b\d+% (a|per) (day|week)\b", "30 % a day", []),
    ("[A-Z]+ return", "GUARANTEED Return", ["GUARANTEED Return"]),
    ("回报.{0,3}\\d+％", "回报率30%", ["回报率30%"]),
    ("真的？", "真的?真的", ["真的?"]),
    ("保证收益", "保證收益", []),
    ("^hello", "hello hello", ["hello"]),
    ("hello$", "hello hello", ["hello"]),
    (r"[$^]\d", "at $5", ["$5"]),
    (r"\Ahello\z", "hello", ["hello"]),
    (r"\$\d+", "at $5", ["$5"]),
    (r"\bok\b", "ok", ["ok"]),
    ("a*", "bbb", []),
    ("(a+)+$", "a" * 5000 + "b", []),
    ("不.{2}", "不一二不三四", ["不一二", "不三四"]),
]


@pytest.mark.parametrize(("pattern", "text", "found"), REGEX)
def test_patterns_see_width_and_case_folded(pattern: str, text: str, found: list[str]) -> None:
    hits = find(rule(regex=[pattern]), text)
    assert [hit.text for hit in hits] == found


def test_a_pattern_does_not_cross_a_joint() -> None:
    assert not find(rule(regex=["one.?two"]), "one", "two")
    assert find(rule(regex=["^two"]), "one", "two")[0].segment_index == 1


def test_a_negation_clears_a_pattern_too() -> None:
    definition = rule(regex=[r"\d+%"], unless=["不到"], unless_window_chars=2)
    assert not find(definition, "不到30%")
    assert find(definition, "不到百分之30%")


def test_overlapping_phrases_of_a_rule_are_one_hit_the_longest() -> None:
    hits = find(rule(any=["稳赚", "稳赚不赔", "不赔钱"], regex=["稳."]), "稳赚不赔钱")
    assert [hit.text for hit in hits] == ["稳赚不赔"]


def test_overlapping_hits_of_two_rules_are_two() -> None:
    rules = [parse_rule(rule(any=["稳赚不赔"])), parse_rule({**rule(any=["不赔钱"]), "id": "s"})]
    hits = Matcher(rules).find(call("稳赚不赔钱"))
    assert [(hit.rule_id, hit.text) for hit in hits] == [("r", "稳赚不赔"), ("s", "不赔钱")]


ALL = [
    (rule(all=["全额", "退款"]), "我们全额给您退款", ["全额给您退款"]),
    (rule(all=["全额", "退款"]), "退款，是全额的", ["退款，是全额"]),
    (rule(all=["全额", "退款"]), "全额付款", []),
    (rule(all=["全额", "退款"]), "全额退款，全额退款", ["全额退款"]),
    (rule(all=["全额", "退款"], unless=["不能全额"]), "不能全额退款", []),
    (
        rule(all=["全额", "退款"], unless=["不能全额"], unless_window_chars=4),
        "不能全额退款。" + "一" * 9 + "全额退款",
        ["全额退款"],
    ),
    (rule(all=["全额", "退款"], homophones=True), "全鹅给您推款", ["全鹅给您推款"]),
    # any beside all: any is the hit, all is wanted besides
    (rule(any=["保证"], all=["全额", "退款"]), "保证全额退款", ["保证"]),
    (rule(any=["保证"], all=["全额", "退款"]), "保证全额", []),
    (rule(any=["保证"], all=["全额", "退款"]), "全额退款", []),
    (rule(regex=[r"\d+天"], all=["退款"]), "7天退款，15天换货", ["7天", "15天"]),
]


@pytest.mark.parametrize(("definition", "text", "found"), ALL)
def test_all_of_them_in_one_turn(definition: dict[str, Any], text: str, found: list[str]) -> None:
    assert [hit.text for hit in find(definition, text)] == found


def test_all_is_wanted_in_one_turn_of_one_speaker() -> None:
    definition = rule(all=["全额", "退款"])
    assert not find(
        definition, ("agent", "全额"), ("customer", "那什么时候可以退款"), ("agent", "好")
    )
    (hit,) = find(definition, ("agent", "全额"), ("customer", "嗯嗯"), ("agent", "给您退款"))
    assert (hit.segment_index, hit.segment_end_index, hit.text) == (0, 2, "全额\n给您退款")


JOINTS = [
    # what the other side says in between, is the phrase found over it
    ("嗯", True),
    ("好的好", True),
    ("嗯，好的。", True),
    ("好的好的", False),
    ("yes", True),
    ("okay, right", True),
    ("okay all right", False),
    ("嗯 ok", True),
    ("", True),
    ("…", True),
    ("😀", True),
    ("嗯嗯嗯 ok", False),
]


@pytest.mark.parametrize(("between", "is_hit"), JOINTS)
def test_a_turn_goes_on_across_a_back_channel(between: str, is_hit: bool) -> None:
    hits = find(rule(any=["保证收益"]), "我们保证", ("customer", between), "收益很高")
    assert [
        (h.segment_index, h.segment_end_index, h.char_start, h.char_end, h.text) for h in hits
    ] == ([(0, 2, 2, 2, "保证\n收益")] if is_hit else [])


def test_back_channels_in_a_row_count_together() -> None:
    definition = rule(any=["保证收益"])
    assert find(definition, "保证", ("customer", "嗯"), ("customer", "好的"), "收益")
    assert not find(definition, "保证", ("customer", "嗯嗯"), ("customer", "好的"), "收益")


def test_a_phrase_over_three_segments() -> None:
    (hit,) = find(rule(any=["保证收益"], role="agent"), "我保", "证收", "益了")
    assert (hit.segment_index, hit.segment_end_index, hit.char_start, hit.char_end) == (0, 2, 1, 1)
    assert hit.text == "保\n证收\n益"


@pytest.mark.parametrize(
    ("first", "second", "is_hit"),
    [
        ("guaranteed", "return", True),
        ("guaranteed ", " return", True),
        ("guaranteed,", "return", True),
        ("guaranteed.", "return", False),
        ("guaranteed. ", "return", False),
        ("guaranteed?", "return", False),
        ("guaran", "teed return", False),
        ("guaranteed", "returns", False),
        ("unguaranteed", "return", False),
    ],
)
def test_english_over_a_joint(first: str, second: str, is_hit: bool) -> None:
    assert bool(find(rule(any=["guaranteed return"]), first, second)) == is_hit


def test_a_word_does_not_go_on_over_a_joint() -> None:
    assert spans(find(rule(any=["pin"]), "your", "pin", "number")) == [(0, 3, "pin")]


def test_turns_follow_each_other_in_time_not_in_delivery() -> None:
    hits = find(
        rule(any=["保证收益"]),
        ("agent", 2000, "收益"),
        ("customer", 9000, "好"),
        ("agent", 1000, "保证"),
    )
    assert [(h.segment_index, h.segment_end_index, h.text) for h in hits] == [(2, 0, "保证\n收益")]


def test_segments_may_be_handed_over_in_any_order() -> None:
    transcript = call(("agent", 2000, "收益"), ("agent", "好"), ("agent", 1000, "保证"))
    matcher = Matcher([parse_rule(rule(any=["保证收益"])), parse_rule(rule(require=["好"]))])
    hits = matcher.find(transcript)
    assert [hit.text for hit in hits] == ["保证\n收益"]
    for order in permutations(transcript.segments):
        assert matcher.find(replace(transcript, segments=order)) == hits


def test_without_times_the_delivered_order_counts() -> None:
    assert find(rule(any=["保证收益"]), "保证", "收益")
    assert not find(rule(any=["保证收益"]), "收益", "保证")


def test_the_other_side_does_not_finish_a_phrase() -> None:
    assert not find(rule(any=["保证收益"]), ("agent", "保证"), ("customer", "收益"))


@pytest.mark.parametrize(
    ("role", "sides"),
    [("agent", ["agent"]), ("customer", ["customer"]), ("any", ["agent", "customer", None])],
)
def test_a_rule_hears_its_side(role: str, sides: list[str | None]) -> None:
    turns = [("agent", 0, "收益"), ("customer", 1000, "这个收益怎么样"), (None, 2000, "收益")]
    hits = find(rule(any=["收益"], role=role), *turns)
    assert [hit.role for hit in hits] == sides


@pytest.mark.parametrize(
    ("wanted", "given", "is_hit"),
    [
        ("any", "zh-CN", True),
        ("zh", "zh", True),
        ("zh", "zh-CN", True),
        ("zh", "zh_TW", True),
        ("ZH", "zh-cn", True),
        ("zh", "en-US", False),
        ("zh", None, True),
        ("zh-CN", "zh-TW", False),
        ("en", "eng", False),
    ],
)
def test_languages(wanted: str, given: str | None, is_hit: bool) -> None:
    assert bool(find(rule(any=["收益"], language=wanted), "收益", language=given)) == is_hit


# --- required phrases ---

REQUIRE = rule(require=["可能被录音", "may be recorded"], role="agent", within_seconds=30)


def words(*timed: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"text": text, "start_ms": start, "end_ms": start + 100} for text, start in timed]


@pytest.mark.parametrize(
    ("turns", "is_missing"),
    [
        ([("agent", 5000, "您好，通话可能被录音")], False),
        ([("agent", 5000, "您好")], True),
        ([("agent", 5000, "您好"), ("agent", 35_000, "通话可能被录音")], False),
        ([("agent", 5000, "您好"), ("agent", 35_001, "通话可能被录音")], True),
        (
            [("customer", 0, "喂"), ("agent", 5000, "您好"), ("agent", 35_000, "通话可能被录音")],
            False,
        ),
        ([("agent", 0, "…"), ("agent", 5000, "您好"), ("agent", 35_000, "通话可能被录音")], False),
        ([("agent", 0, "您好"), ("customer", 1000, "通话可能被录音")], True),
        ([("agent", "您好"), ("agent", "通话可能被录音")], False),
        ([("agent", 0, "您好"), ("agent", "通话可能被录音"), ("agent", 90_000, "再见")], False),
        ([("agent", 0, "您好"), ("agent", 9000, "this call May be  recorded")], False),
        ([], False),
        ([("customer", 0, "喂")], False),
        ([("agent", 0, "…"), ("customer", 1000, "喂")], False),
        ([(None, 0, "您好")], False),
    ],
)
def test_what_must_be_said(turns: list[Any], is_missing: bool) -> None:
    hits = find(REQUIRE, *turns)
    assert [hit.kind for hit in hits] == (["missing"] if is_missing else [])
    for hit in hits:
        assert (hit.role, hit.rule_id, hit.call_id) == ("agent", "r", "c")
        places = (
            hit.start_ms,
            hit.end_ms,
            hit.segment_index,
            hit.char_start,
            hit.char_end,
            hit.text,
        )
        assert places == (None,) * 6


def test_the_times_of_words_decide_where_words_have_times() -> None:
    late = {
        "role": "agent",
        "start_ms": 1000,
        "end_ms": 60_000,
        "text": "您好，通话可能被录音",
        "words": words(("您好", 4000), ("通话", 34_100), ("可能", 34_001), ("被录音", 34_300)),
    }
    assert [hit.kind for hit in find(REQUIRE, late)] == ["missing"]
    late["words"] = words(("您好", 4000), ("通话", 33_900), ("可能", 34_000), ("被录音", 34_300))
    assert not find(REQUIRE, late)


def test_a_required_phrase_may_sound_alike_or_be_misspelt() -> None:
    assert not find(rule(require=["可能被录音"], homophones=True), "可能被路音")
    assert not find(rule(require=["may be recorded"], max_edits=1), "may be recoded")
    assert find(rule(require=["may be recorded"]), "may be recoded")[0].kind == "missing"


def test_a_negated_notice_is_no_notice() -> None:
    definition = rule(require=["录音"], unless=["没有录音"])
    assert [hit.kind for hit in find(definition, "这里没有录音")] == ["missing"]


@pytest.mark.parametrize(
    ("head", "given", "customer", "is_missing"),
    [
        ({}, None, "喂", True),
        ({}, None, "…", False),
        ({}, None, None, False),
        ({}, True, None, True),
        ({}, False, "喂", False),
        ({"is_connected": True}, False, None, True),
        ({"is_connected": False}, True, "喂", False),
    ],
)
def test_on_connected_calls_alone(
    head: dict[str, Any], given: bool | None, customer: str | None, is_missing: bool
) -> None:
    turns: list[Any] = [("agent", "您好")] + ([("customer", customer)] if customer else [])
    matcher = Matcher([parse_rule({**REQUIRE, "when": "connected"})])
    assert bool(matcher.find(call(*turns, **head), given)) == is_missing
    candidates = matcher.find(call(*turns, **head), given, evaluate_connected=False)
    assert [hit.condition for hit in candidates] == ["connected"]


# --- the hits themselves ---


def test_every_occurrence_is_a_hit_and_the_score_takes_a_rule_once() -> None:
    rules = [
        parse_rule(rule(any=["收益"], points=30)),
        parse_rule({"id": "s", "severity": "critical", "any": ["稳赚"], "points": 80}),
    ]
    matcher = Matcher(rules)
    once = matcher.find(call("收益收益，收益"))
    assert [hit.points for hit in once] == [30, 30, 30]
    assert score(once) == 70
    assert score(matcher.find(call("稳赚，收益"))) == 0
    assert score([]) == 100


def test_hits_come_in_order_of_time_and_missing_ones_last() -> None:
    rules = [
        parse_rule({"id": "a_missing", "severity": "minor", "require": ["永远"]}),
        parse_rule({"id": "z", "severity": "minor", "any": ["一"]}),
        parse_rule({"id": "b", "severity": "minor", "any": ["二"]}),
    ]
    hits = Matcher(rules).find(
        call(("agent", 5000, "一"), ("customer", 1000, "二一"), ("agent", "二"))
    )
    assert [(hit.rule_id, hit.segment_index) for hit in hits] == [
        ("b", 1),
        ("z", 1),
        ("b", 2),  # without a time: behind the one delivered before it
        ("z", 0),
        ("a_missing", None),
    ]


def test_times_of_a_hit() -> None:
    turn = {
        "role": "agent",
        "start_ms": 1000,
        "end_ms": 9000,
        "text": "Well, guaranteed return here",
        "words": words(("Well", 1100), ("guaranteed", 2000), ("return", 3000), ("here", 4000)),
    }
    (hit,) = find(rule(any=["guaranteed return"]), turn)
    assert (hit.start_ms, hit.end_ms) == (2000, 3100)
    (hit,) = find(rule(any=["guaranteed return"]), {**turn, "words": []})
    assert (hit.start_ms, hit.end_ms) == (1000, 9000)
    (hit,) = find(rule(any=["guaranteed return"]), {**turn, "words": words(("other", 5000))})
    assert (hit.start_ms, hit.end_ms) == (1000, 9000)


def test_a_hit_names_its_rule_and_shows_what_was_said_around_it() -> None:
    (hit,) = find(
        rule(any=["收益"], severity="critical"), "一" * 50, ("customer", "嗯"), "保证收益的"
    )
    assert (hit.severity, hit.points, hit.condition) == ("critical", 20, "always")
    assert len(hit.rule_hash) == 16
    assert hit.context == "一" * 37 + "\n保证收益的"


def test_the_name_of_a_speaker_before_a_cue_is_not_speech() -> None:
    srt = "1\n00:00:01,000 --> 00:00:02,000\nAgent: 保证收益\n"
    transcript = read_transcript(srt.encode(), "c.srt")
    (hit,) = Matcher([parse_rule(rule(any=["保证收益"], role="agent"))]).find(transcript)
    assert (hit.char_start, hit.char_end) == (7, 11)
    assert not Matcher([parse_rule(rule(any=["agent"]))]).find(transcript)
    assert not Matcher([parse_rule(rule(regex=["agent"]))]).find(transcript)


def test_twenty_thousand_segments() -> None:
    turns = [
        ("agent" if n % 2 else "customer", n * 1000, f"这是第{n}句话，没有什么特别的")
        for n in range(20_000)
    ]
    turns[12_345] = ("agent", 12_345_000, "我们保证收益")
    (hit,) = find(rule(any=["保证收益"], homophones=True, regex=["保证.{0,4}收益"]), *turns)
    assert (hit.segment_index, hit.start_ms) == (12_345, 12_345_000)


def test_a_word_without_end_is_no_trouble_to_spelling() -> None:
    assert not find(rule(any=["guaranteed return"], max_edits=3), "x" * 200_000)


def test_a_pattern_that_backtracking_engines_hang_on() -> None:
    assert not find(rule(regex=["(x+x+)+y", "(.*)*z"]), "x" * 100_000)


def test_real_transcripts(test_data: Path) -> None:
    landing = test_data / "landing"
    matcher = Matcher(load_rules((landing / "phrase_rules.yaml").read_bytes()).rules)
    expected = json.loads((landing / "expected.json").read_text(encoding="utf-8"))["phrase_hits"]
    keys = {key for item in expected for key in item}
    found = []
    for path in sorted((landing / "transcripts").glob("*/*")):
        for hit in matcher.find(read_transcript(path.read_bytes(), path.name)):
            item = hit.as_item()
            found.append({key: item[key] for key in keys if item[key] is not None})

    def in_order(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(items, key=lambda item: (item["call_id"], item["rule_id"]))

    assert in_order(found) == in_order(expected)
