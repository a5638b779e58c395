"""The rules that ship: each finds what it is for, and leaves alone what only looks like it."""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from pathlib import Path

import pytest

from ml.phrases import Matcher, RuleSet, library, signals
from ml.transcripts import Transcript, read_transcript


def call(role: str, *texts: str) -> Transcript:
    segments = [{"role": role, "text": text} for text in texts]
    return read_transcript(json.dumps({"call_id": "c", "segments": segments}).encode(), "c.json")


@lru_cache(maxsize=2)
def matcher_of(rules: RuleSet) -> Matcher:
    return Matcher(rules.rules)


def found(rules: RuleSet, role: str, text: str) -> set[str]:
    hits = matcher_of(rules).find(call(role, text), is_connected=False)
    return {hit.rule_id for hit in hits if hit.kind == "prohibited"}


AGENT_HITS = [
    ("promised_returns", "我们这款产品保证收益，您放心"),
    ("promised_returns", "稳 赚 不 赔，没有风险的"),
    ("promised_returns", "我们保正收意的"),
    ("promised_returns", "這款產品保證收益"),
    ("promised_returns", "保证您每年百分之三十的回报"),
    ("promised_returns", "It's a guaranteed return, sir."),
    ("promised_returns", "You get 2% a day."),
    ("promised_returns", "you will get five point 3 percent per week"),
    ("promised_returns", "a garanteed return"),
    ("promised_returns", "You can't lose money with this"),
    ("absolute_terms", "我们是全国第一"),
    ("absolute_terms", "价格全网最低"),
    ("absolute_terms", "We are the best in the world"),
    ("poses_as_authority", "你好，我是公安局的"),
    ("poses_as_authority", "I'm calling from the tax office about your bill"),
    ("threats", "不还钱就上门找你"),
    ("threats", "Pay today or we will have you arrested"),
    ("insults", "你有病吧"),
    ("insults", "Just shut up and listen"),
    ("asks_for_secret", "麻烦把验证码念给我一下"),
    ("asks_for_secret", "您的银行卡密码是多少"),
    ("asks_for_secret", "Please read me the code"),
    ("private_transfer", "您加我微信，把钱转到我的账户"),
    ("private_transfer", "Just send it to my own account"),
    ("pressure", "今天是最后一次机会"),
    ("pressure", "This is your last chance"),
    ("disparages_competitor", "其他公司都是骗子"),
    ("disparages_competitor", "They are scammers, trust me"),
]
AGENT_NON_HITS = [
    "我们不保证收益，投资有风险",
    "任何人都不能保证收益",
    "我们无法保证任何收益",
    "We cannot guarantee a return",
    "There is no guaranteed return here",
    "We don't promise a guaranteed profit",
    "我不是公安局的，我是某某公司",
    "If anybody says this is the police, hang up",
    "请不要把验证码告诉任何人",
    "Never tell anyone your pin number",
    "We will never ask for your online banking password",
    "不要私人转账，请走公司账户",
    "Please do not pay me directly",
    "这不是最后一次机会，您慢慢考虑",
    "We are not the best in the world",
    "您好，请问您现在方便吗",
    "这个产品的年化收益是浮动的",
    "Thank you for your time, have a nice day",
    "I shut the door and went up",
    "The last chances were missed",
]
CUSTOMER_HITS = [
    ("price_asked", "这个多少钱啊"),
    ("price_asked", "How much does it cost?"),
    ("price_asked", "what's the price for the big one"),
    ("callback_agreed", "我在开会，你明天下午三点再打给我"),
    ("callback_agreed", "周三联系吧"),
    ("callback_agreed", "Can you call me back tomorrow?"),
    ("callback_agreed", "call me on Friday"),
    ("competitor_named", "别的公司比你们便宜"),
    ("competitor_named", "I already use another provider"),
    ("objection", "太贵了"),
    ("objection", "我再考虑一下"),
    ("objection", "That's too expensive for me"),
    ("purchase_intent", "我想办一张"),
    ("purchase_intent", "那怎么付款呢"),
    ("purchase_intent", "OK sign me up"),
    ("not_interested", "不需要，谢谢"),
    ("not_interested", "I'm not interested"),
    ("wrong_person", "你打错了"),
    ("wrong_person", "You have the wrong number"),
    ("do_not_call_asked", "你们不要再打电话来了"),
    ("do_not_call_asked", "Take me off your list"),
    ("do_not_call_asked", "please stop calling me"),
]
CUSTOMER_NON_HITS = [
    ("purchase_intent", "我不是说我想买"),
    ("purchase_intent", "I'm not interested"),
    ("purchase_intent", "我不感兴趣"),
    ("not_interested", "也不是不需要"),
    ("objection", "价格不太贵"),
    ("callback_agreed", "don't call me back"),
    ("callback_agreed", "你不要明天再打了"),
    ("price_asked", "多少钱都不要"),
    ("wrong_person", "没打错，我就是"),
    ("do_not_call_asked", "好的，谢谢，再见"),
]


@pytest.mark.parametrize(("rule_id", "text"), AGENT_HITS)
def test_what_an_agent_must_not_say(rule_id: str, text: str) -> None:
    assert rule_id in found(library(), "agent", text)
    assert rule_id not in found(library(), "customer", text)


@pytest.mark.parametrize("text", AGENT_NON_HITS)
def test_what_an_agent_may_say(text: str) -> None:
    assert found(library(), "agent", text) == set()


@pytest.mark.parametrize(("rule_id", "text"), CUSTOMER_HITS)
def test_signals_of_a_customer(rule_id: str, text: str) -> None:
    assert rule_id in found(signals(), "customer", text)
    assert found(signals(), "agent", text) == set()


@pytest.mark.parametrize(("rule_id", "text"), CUSTOMER_NON_HITS)
def test_what_is_no_signal(rule_id: str, text: str) -> None:
    assert rule_id not in found(signals(), "customer", text)


def test_every_shipped_rule_has_a_hit_here() -> None:
    spoken = {rule.id for rule in library().rules if rule.any or rule.all or rule.regex}
    assert spoken == {rule_id for rule_id, _ in AGENT_HITS}
    assert {rule.id for rule in signals().rules} == {rule_id for rule_id, _ in CUSTOMER_HITS}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("您好，我是小王，本次通话将被录音。投资有风险", set()),
        ("Hello, this is Ann, this call may be recorded. It carries risk", set()),
        ("您好", {"introduction", "recording_notice", "risk_warning"}),
        ("您好，我是小王", {"recording_notice", "risk_warning"}),
        (
            "Ann here, the call is not recorded",
            {"introduction", "recording_notice", "risk_warning"},
        ),
    ],
)
def test_what_an_agent_must_say(text: str, missing: set[str]) -> None:
    hits = Matcher(library().rules).find(call("agent", text), is_connected=True)
    assert {hit.rule_id for hit in hits if hit.kind == "missing"} == missing


def test_robocalls_set_off_little_that_they_should_not(test_data: Path) -> None:
    """Real machine transcripts: what is found is looked at, rule by rule, below."""
    path = test_data / "text" / "robocalls_en" / "robocall_odd.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        texts = [row["transcript"] for row in csv.DictReader(lines)]
    matcher = Matcher(library().rules)
    counts: dict[str, int] = {}
    for text in texts:
        for rule_id in {h.rule_id for h in matcher.find(call("agent", text), False)}:
            counts[rule_id] = counts.get(rule_id, 0) + 1
    # Insults, threats by name and running down others do not occur in these recordings.
    assert counts.get("insults", 0) == 0
    assert counts.get("disparages_competitor", 0) == 0
    assert sum(counts.values()) < len(texts) * 0.25
