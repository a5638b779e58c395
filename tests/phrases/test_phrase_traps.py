"""Cases by trap, each marked by hand: what stands between ⟦ and ⟧ is a hit, the rest is none.

A bar ends a segment; a segment is the agent's, or the customer's behind `c:`. The offsets asked for
are those of the text without the marks.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ml.phrases import Matcher, parse_rule
from ml.transcripts import read_transcript

RETURNS = {
    "any": ["保证收益", "稳赚不赔", "guaranteed return", "risk free"],
    "unless": ["不保证", "不能保证", "无法保证", "没有人能", "no guarantee", "not", "cannot"],
    "role": "agent",
}
NEGATED = {
    "any": ["收益", "guarantee", "guaranteed return"],
    "unless": ["不保证", "没有", "not", "can't"],
}
SOUND = {"any": ["保证收益", "银行卡密码", "验证码", "加我微信"], "homophones": True}
LOOSE = {"any": ["保证收益", "牛奶", "金融", "上门找你"], "homophones": "loose"}
SLIPS = {"any": ["guaranteed return", "police", "last chance"], "max_edits": 1}
SLIPS_2 = {"any": ["guaranteed return"], "max_edits": 2}
NUMBERS = {
    "any": ["百分之三十", "30%", "thirty percent", "¥500", "$5"],
    "regex": [r"\b\d+% (a|per) (day|week)\b"],
}
WORDS = {"any": ["pin", "return", "act now", "加我qq", "vip", "call me", "e-mail", "can't"]}
OVERLAPS = {"any": ["稳赚", "稳赚不赔", "不赔钱", "赔钱"]}
BOTH = {"all": ["全额", "退款"]}
BESIDES = {"any": ["保证", "promise"], "all": ["退款", "三天"]}
PATTERNS = {"regex": ["回报.{0,4}%", r"\bfree (gift|money)\b", "^喂", "再见$"]}
WINDOW = {"any": ["收益"], "unless": ["不保", "no"], "unless_window_chars": 3}
TURN = {"any": ["收益"], "unless": ["风险"], "unless_window_chars": 0}
CUSTOMER = {"any": ["投诉", "complain"], "role": "customer"}
ANYBODY = {"any": ["骗子", "scam"]}

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "negation",
        RETURNS,
        [
            "我们⟦保证收益⟧。",
            "我们不保证收益。",
            "我们不能保证收益",
            "不保证收益，也不保证本金",
            "我们无法保证收益，您要想清楚",
            "没有人能保证收益",
            "这个是⟦稳赚不赔⟧的",
            "这个不是稳赚不赔，不能保证的",
            "You get a ⟦guaranteed return⟧, madam.",
            # twelve folded characters: "noguarantee" and one more, "cannot" and six more
            "There is no guarantee of a ⟦guaranteed return⟧",
            "There is no guarantee, guaranteed return",
            "We cannot give you a ⟦guaranteed return⟧",
            "We cannot give a guaranteed return",
            "This is not risk free",
            "This is ⟦risk free⟧!",
            "It is ⟦risk-free⟧",
            "Notably ⟦risk free⟧",
            "不保证本金。一二三四五六七⟦保证收益⟧",
            "不保证本金。一二三四五六保证收益",
            "⟦保证收益⟧一二三四五六七八九十不保证",
            "保证收益一二三四五六七八九不保证",
            "不，保证收益",  # a comma vanishes, so 不保证 is there
            "不。⟦保证收益⟧",
            "不 保 证收益",
            "不\u200b保证收益",
            "我不|保证收益",
            "我们不保证|嗯，保证收益",
            "c:不保证|⟦保证收益⟧",
            "不保证|c:为什么不可以呢|⟦保证收益⟧",
        ],
    ),
    (
        "negation beside",
        NEGATED,
        [
            "⟦收益⟧不错",
            "没有收益",
            "I ⟦guarantee⟧ it",
            "I can’t guarantee it",
            "I cant guarantee it",
            "I can ⟦guarantee⟧ it",
            "a ⟦guaranteed return⟧",
            "nothing beats a ⟦guarantee⟧",
            "a knot and a ⟦guarantee⟧",
        ],
    ),
    (
        "windows",
        WINDOW,
        [
            "不保收益",
            "不保一收益",
            "不保一二⟦收益⟧",
            "收益一不保",
            "⟦收益⟧一二不保",
            "不保， ，。收益",
            "不保。！⟦收益⟧",
            "no 收益",
            "no 1 收益",
            "no 12 ⟦收益⟧",
            "now ⟦收益⟧",
            "⟦收益⟧，⟦收益⟧",
            "不保收益，⟦收益⟧",
        ],
    ),
    (
        "whole turn",
        TURN,
        [
            "⟦收益⟧很好",
            "风险" + "很" * 60 + "收益",
            "收益很好|风险自担",
            "⟦收益⟧很好|c:有没有什么风险呢|是的",
            "收益很好|c:好的|有风险",
            "⟦收益⟧很好|c:好的好的|有风险",
        ],
    ),
    (
        "side",
        RETURNS,
        [
            "c:你们保证收益吗？",
            "c:是不是稳赚不赔",
            "c:Is it a guaranteed return?",
            "c:保证收益吗|对，⟦保证收益⟧",
            "c:保证|收益",
            "保证|c:收益",
        ],
    ),
    (
        "side",
        CUSTOMER,
        ["投诉", "c:我要⟦投诉⟧", "c:I will ⟦complain⟧.", "I complained|c:投 |嗯|c:一"],
    ),
    ("side", ANYBODY, ["⟦骗子⟧", "c:你是⟦骗子⟧", "⟦骗子⟧|c:⟦骗子⟧", "c:a ⟦scam⟧", "scammer"]),
    (
        "folding",
        RETURNS,
        [
            "⟦保證收益⟧",
            "⟦保證 收益⟧",
            "⟦穩賺不賠⟧",
            "⟦保 证 收 益⟧",
            "⟦保　证收益⟧",
            "⟦保证，收益⟧",
            "⟦保证、收益⟧",
            "⟦保证……收益⟧",
            "⟦保证；收益⟧",
            "⟦保证“收益⟧”",
            "《⟦保证收益⟧》",
            "⟦保证😀收益⟧",
            "⟦保👨\u200d👩\u200d👧证收益⟧",
            "⟦保证❤\ufe0f收益⟧",
            "⟦保\u200b证\u200c收\u2060益⟧",
            "\ufeff⟦保证收益⟧",
            "😀⟦保证收益⟧😀",
            "𠮷𠮷⟦保证收益⟧",
            "⟦保证\t收益⟧",
            "⟦保证(收益⟧)",
            "保证。收益",
            "保证？收益",
            "保证! 收益",
            "保证. 收益",
            "⟦保证.收益⟧",
            "保证%收益",
            "保证+收益",
            "保证¥收益",
            "保收证益",
            "⟦ＧＵＡＲＡＮＴＥＥＤ　ＲＥＴＵＲＮ⟧",
            "⟦Guaranteed RETURN⟧",
            "⟦guaranteed,return⟧",
            "⟦guaranteed - return⟧",
            "⟦guaranteed\u200b return⟧",
            "guaranteed! return",
            "guaranteed. Return",
            "guaranteed.\u200b Return",
        ],
    ),
    (
        "words",
        WORDS,
        [
            "your ⟦pin⟧",
            "spin, pins, opinion",
            "⟦pin⟧.",
            "“⟦pin⟧”",
            "(⟦PIN⟧)",
            "pin2",
            "您的⟦pin⟧码",
            "returns",
            "⟦return⟧ the ⟦return⟧",
            "unreturn",
            "re turn",
            "⟦act now⟧",
            "⟦Act, now⟧",
            "fact now",
            "act nowhere",
            "actnow",
            "⟦加我QQ⟧",
            "⟦加我 qq⟧吧",
            "加我qqq",
            "尊敬的⟦ＶＩＰ⟧客户",
            "vips",
            "⟦call me⟧",
            "recall me",
            "⟦call|me⟧",
            "call.|me",
            "⟦call|c:ok|me⟧",
            "call|c:that is right|me",
            "⟦e-mail⟧",
            "⟦email⟧",
            "you ⟦can't⟧",
            "you ⟦can’t⟧",
            "a canter",
        ],
    ),
    (
        "sounds",
        SOUND,
        [
            "我们⟦保证收意⟧",
            "我们⟦宝正收益⟧",
            "⟦报证收益⟧哦",
            "⟦保证受意⟧",
            "保障收益",
            "保证受罪",
            "⟦银航卡密码⟧",
            "银杏卡密码",
            "⟦验正码⟧",
            "眼镜吗",
            "⟦家我微信⟧",
            "⟦加我威信⟧",
            "加你微信",
            "⟦保正，收益⟧",
            "保正。收益",
            "⟦宝证|收益⟧",
            "⟦保證收意⟧",
        ],
    ),
    (
        "sounds, loosely",
        LOOSE,
        [
            "⟦保增收益⟧",
            "⟦保证收益⟧",
            "保成收益",
            "⟦流来⟧",
            "⟦京融⟧",
            "⟦桑门找你⟧",
            "⟦上门早里⟧",
            "三门走你",
        ],
    ),
    (
        "slips",
        SLIPS,
        [
            "a ⟦garanteed return⟧",
            "a ⟦guaranteed retrun⟧",
            "a ⟦guaranteed return⟧",
            "a ⟦guaranteed returns⟧",
            "garanteed retrun",
            "the ⟦polcie⟧",
            "the ⟦policy⟧",
            "the politics",
            "the ⟦polic⟧",
            "⟦last chanse⟧",
            "⟦lats chance⟧",
            "⟦guaran teed return⟧",
            "⟦guaranteedreturn⟧",
            "guaranteed. retrun",
            "⟦guaranteed|retrun⟧",
        ],
    ),
    ("slips", SLIPS_2, ["⟦garanteed retrun⟧", "⟦garantee return⟧", "garante return"]),
    (
        "numbers",
        NUMBERS,
        [
            "收益⟦百分之三十⟧",
            "⟦30%⟧",
            "⟦30 %⟧",
            "⟦３０％⟧",
            "130%",
            "30",
            "30.5%",
            "⟦thirty percent⟧",
            "thirty percentage",
            "⟦30% a day⟧",
            "⟦30%⟧ a year",
            "⟦5% per week⟧",
            "⟦¥500⟧",
            "⟦￥500⟧",
            "¥5000",
            "⟦$5⟧",
            "⟦＄5⟧",
            "500",
        ],
    ),
    (
        "overlaps",
        OVERLAPS,
        [
            "⟦稳赚⟧",
            "⟦稳赚不赔⟧",
            "⟦稳赚不赔⟧钱",
            "⟦不赔钱⟧",
            "⟦赔钱⟧",
            "⟦稳赚⟧⟦稳赚不赔⟧",
            "⟦稳赚⟧，⟦赔钱⟧",
            "⟦稳赚|不赔⟧|钱",
        ],
    ),
    (
        "all",
        BOTH,
        [
            "⟦全额退款⟧",
            "⟦全额给您退款⟧的",
            "⟦退款，全额⟧",
            "全额",
            "⟦全额|退款⟧",
            "⟦全额|c:嗯|退款⟧",
            "全额|c:什么时候呢|退款",
            "全额|c:退款",
            "⟦全额退款⟧，全额退款",
            "⟦全额。退款⟧",
        ],
    ),
    (
        "any beside all",
        BESIDES,
        [
            "三天退款，我⟦保证⟧",
            "⟦保证⟧三天，⟦保证⟧退款",
            "保证三天",
            "三天退款",
            "⟦保证⟧三天|退款",
            "I ⟦promise⟧, 三天退款",
        ],
    ),
    (
        "patterns",
        PATTERNS,
        [
            "⟦回报率30%⟧",
            "⟦回报率３０％⟧",
            "回报率，一共30%",
            "回|报率30%",
            "回报|率30%",
            "a ⟦Free Gift⟧",
            "free|gift",
            "free giftcard",
            "⟦喂⟧，喂",
            "好的|⟦喂⟧",
            "再见⟦再见⟧",
        ],
    ),
]
TABLE = [
    pytest.param(definition, text, id=f"{trap} {n}")
    for trap, definition, texts in CASES
    for n, text in enumerate(texts)
]


def unmarked(
    marked: str,
) -> tuple[list[dict[str, Any]], list[tuple[int, int | None, int, int, str]]]:
    """The segments without marks, and the hits that the marks say."""
    segments: list[dict[str, Any]] = []
    hits = []
    start: tuple[int, int] | None = None
    for index, part in enumerate(marked.split("|")):
        role = "customer" if part.startswith("c:") else "agent"
        text = ""
        for char in part.removeprefix("c:"):
            if char == "⟦":
                start = (index, len(text))
            elif char == "⟧":
                assert start is not None
                said = [*segments, {"role": role, "text": text}][start[0] :]
                pieces = [one["text"] for one in said if one["role"] == said[0]["role"]]
                pieces[0] = pieces[0][start[1] :]
                last = None if start[0] == index else index
                hits.append((start[0], last, start[1], len(text), "\n".join(pieces)))
                start = None
            else:
                text += char
        segments.append({"role": role, "text": text})
    return segments, hits


def test_there_are_enough_cases() -> None:
    assert len(TABLE) >= 200
    assert len({str(case.values) for case in TABLE}) == len(TABLE)


@pytest.mark.parametrize(("definition", "marked"), TABLE)
def test_what_is_marked_is_found_and_nothing_else(definition: dict[str, Any], marked: str) -> None:
    segments, expected = unmarked(marked)
    transcript = read_transcript(
        json.dumps({"call_id": "c", "segments": segments}).encode(), "c.json"
    )
    rule = parse_rule({"id": "r", "severity": "minor", **definition})
    hits = Matcher([rule]).find(transcript)
    assert [
        (h.segment_index, h.segment_end_index, h.char_start, h.char_end, h.text) for h in hits
    ] == expected
