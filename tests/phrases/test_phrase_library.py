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


# Of each rule what breaks it, and what only looks like it: negated, reported, warned of.
PROHIBITED: dict[str, tuple[list[str], list[str]]] = {
    "promised_returns": (
        [
            "这款产品保本保息，您放心买",
            "每个月保证您百分之五的收益",
            "年化保证30%",
            "一年保证翻倍",
            "稳赚不赔的买卖",
            "We guarantee you a return of ten percent",
            "thirty percent per month, every month",
            "you will make 3 percent a week",
            "It's a zero risk product",
            "零风险，高收益",
            "我跟您保证，这只基金保本保收益",
            "每月固定百分之八的回报",
            "绝对安全，没有任何风险",
            "You're guaranteed profits every month",
            "we'll double your money in a year",
            "包赚不赔的",
            "five percent a week, sir",
        ],
        [
            "我们不能保证收益",
            "谁也不能保证稳赚不赔",
            "过去的收益不代表未来，我们无法保证收益",
            "那些说保证收益的都是骗人的",
            "凡是跟您说保本保息的，都不要相信",
            "投资有风险，没有零风险的产品",
            "Nobody can promise a guaranteed return",
            "Anyone who tells you it's risk free is lying",
            "Past performance does not guarantee a return",
            "The fee is 30 percent of the total",
            "您问能不能保证收益，这个我们没法保证",
            "监管不允许承诺收益",
            "任何承诺收益的行为都是违规的",
            "We do not guarantee returns of any kind",
            "no investment is a risk free investment, I must say",
            "利率是百分之三",
        ],
    ),
    "absolute_terms": (
        [
            "我们是全国第一的品牌",
            "这个药能根治糖尿病",
            "全网最低价",
            "国家级产品",
            "百分之百有效",
            "We are number one in the world",
            "the best in the country",
            "it works every time, 100% effective",
            "销量第一的品牌",
            "顶级产品",
            "独一无二的机会",
            "lowest price anywhere",
        ],
        [
            "我们不敢说全国第一",
            "这个病无法根治",
            "不是全网最低，但是服务好",
            "广告法规定不能说国家级",
            "没有任何产品是百分之百有效的",
            "We're not number one in the world",
            "I can't say it is 100% effective",
            "nobody is the best in the world at this",
            "我们算不上全国第一",
            "这不是顶级产品",
        ],
    ),
    "poses_as_authority": (
        [
            "您好，这里是公安局",
            "我是社保局的工作人员",
            "我是检察院的",
            "This is the IRS calling",
            "I'm a police officer",
            "calling from the social security administration",
            "你好我是税务局的",
            "this is the tax office calling",
            "我是反诈中心的民警",
        ],
        [
            "我不是公安局的",
            "如果有人说我是警察，请挂断",
            "最近有人冒充这里是社保局，请注意",
            "骗子会自称我是检察院的",
            "I am not a police officer",
            "Scammers say this is the IRS",
            "nobody here is calling from the police",
            "我们不是法院",
            "您接到自称我是警察的电话请报警",
            "We are not calling from the tax office",
        ],
    ),
    "threats": (
        [
            "你不还钱，后果自负",
            "再不还就上门找你",
            "我们会通知你的家人",
            "找人收拾你",
            "We know where you live",
            "You will be arrested",
            "I'll tell your employer about this",
            "你给我等着",
            "让你不得安宁",
            "you'll regret this",
            "I'll ruin your credit",
        ],
        [
            "我们不会上门找你",
            "我们绝不会通知你的家人",
            "没有人会找人收拾你",
            "别担心，不会影响你的子女",
            "You will not be arrested",
            "We would never tell your employer",
            "nobody will come to your house",
            "我不会曝光你的信息",
            "这不会影响你的子女",
            "We won't tell your boss",
        ],
    ),
    "insults": (
        [
            "你脑子有问题吧",
            "真是穷鬼",
            "滚蛋",
            "你他妈的",
            "你这个白痴",
            "You are an idiot",
            "shut up",
            "Go to hell",
            "are you stupid or what",
            "傻逼",
            "你有病吧",
            "你妈的",
            "asshole",
            "you're stupid",
        ],
        [
            "我没有说您是神经病",
            "您当然不是白痴",
            "神经病学的医生",
            "他没有说您不要脸",
            "治疗神经病的药物",
            "I never said you are stupid",
            "shut up the shop",
            "I'm not saying you are an idiot",
            "您不要脸红",
            "please do not go to helltown",
        ],
    ),
    "asks_for_secret": (
        [
            "请报一下验证码",
            "您的支付密码是多少",
            "把验证码发给我",
            "您收到的验证码是多少",
            "Tell me the code we just sent",
            "what is your password",
            "the three digits on the back",
            "give me the code please",
            "验证码念给我",
            "登录密码告诉我一下",
            "read me the code",
            "what's the code on your phone",
        ],
        [
            "不要把验证码告诉任何人",
            "我们不会索要您的银行卡密码",
            "请保管好您的支付密码",
            "任何人问您验证码是多少都别说",
            "银行卡密码千万不要告诉别人",
            "Never give anyone your pin number",
            "We will never ask what is your password",
            "Do not tell me the code",
            "请勿把验证码给别人",
            "我们工作人员不会问您取款密码",
            "please don't read me the code",
        ],
    ),
    "private_transfer": (
        [
            "您转到我个人账户就行",
            "加我微信私聊",
            "把钱转到安全账户",
            "打到我卡上",
            "不走公司，便宜一点",
            "transfer to my personal account",
            "add my personal whatsapp",
            "Pay me directly",
            "buy gift cards and read me the numbers",
            "加我个人微信",
            "我们私下联系",
            "send it to me personally",
            "钱打到我个人卡",
        ],
        [
            "请不要转到我个人账户",
            "我们不会让您转到我的卡",
            "没有安全账户这种东西",
            "公司禁止私下联系客户",
            "您切勿私人转账",
            "never send it to my own account",
            "We can't take money into my account",
            "don't pay me directly",
            "禁止私人转账",
            "您不要加我微信",
        ],
    ),
    "pressure": (
        [
            "今天不买就没有了",
            "这是最后一次机会",
            "名额只剩三个",
            "必须今天付款",
            "别考虑了，马上定",
            "This offer is only valid today",
            "act now",
            "it's now or never",
            "you have to decide today",
            "过了今天就没有了",
            "马上就要涨价了",
            "last chance",
            "offer ends today",
        ],
        [
            "这不是最后一次机会",
            "您不是必须今天决定",
            "不必马上决定，慢慢考虑",
            "没有必须今天付款的要求",
            "这不是您最后的机会",
            "It's not the last chance",
            "There is no pressure, take your time",
            "you don't have to decide today",
            "并不是最后的机会",
            "you don't need to act now, take your time",
            "不用考虑了我买",
        ],
    ),
    "disparages_competitor": (
        [
            "他们是骗子",
            "其他公司都是骗子",
            "那家公司快倒闭了",
            "他们家是骗人的",
            "别家都是骗人的",
            "they will rip you off",
            "they are crooks",
            "all other companies are scams",
            "they are scammers",
            "那家公司快倒闭",
            "they are crooks",
            "别家都是骗人的",
        ],
        [
            "我不是说他们是骗子",
            "我没有说其他公司都是骗子",
            "不能说别家都是骗人的",
            "他们不是骗子",
            "他们家不是骗人的",
            "I'm not saying they are scammers",
            "they are not crooks",
            "they won't rip you off",
            "我不能说他们是骗子",
            "they aren't crooks",
            "I would never say they are scammers",
        ],
    ),
}
# Of each rule about what has to be said: what says it, and what does not.
REQUIRED: dict[str, tuple[list[str], list[str]]] = {
    "recording_notice": (
        [
            "为保证服务质量，本次通话将被录音",
            "通话会被录音",
            "您的电话会被录音",
            "this call may be recorded",
            "calls are recorded for training",
            "we're on a recorded line",
            "本次通话可能会被录音",
            "此次通话全程录音",
            "calls may be recorded or monitored",
        ],
        [
            "您好",
            "通话没有录音",
            "这个通话不会被录音",
            "this call is not being recorded",
            "I have a record player",
            "录音机坏了",
            "recording studio",
        ],
    ),
    "introduction": (
        [
            "您好，我是平安的小王",
            "这里是中国电信",
            "我叫李明",
            "My name is Ann",
            "Hello, this is Tom from Acme",
            "工号1023为您服务",
            "喂您好，我是客服小张",
            "I'm calling from Acme",
        ],
        [
            "您好",
            "喂，在吗",
            "打扰一下",
            "Hello",
            "Do you have a minute",
            "Good morning",
            "喂",
            "Good afternoon sir",
        ],
    ),
    "risk_warning": (
        [
            "投资有风险，入市需谨慎",
            "本产品存在风险",
            "理财非存款",
            "可能会亏损本金",
            "your capital is at risk",
            "you may lose money",
            "the value can go down as well as up",
            "有一定风险，您注意",
            "investments carry risk, capital at risk",
        ],
        [
            "您好",
            "收益很好",
            "放心吧",
            "It's a great product",
            "you will like it",
            "没有问题",
            "it is great",
        ],
    ),
}


def test_every_shipped_rule_has_five_cases_of_each_kind() -> None:
    assert {*PROHIBITED, *REQUIRED} == {rule.id for rule in library().rules}
    for hits, others in [*PROHIBITED.values(), *REQUIRED.values()]:
        assert min(len(hits), len(others)) >= 5


@pytest.mark.parametrize(
    ("rule_id", "text"), [(rule, text) for rule, (hits, _) in PROHIBITED.items() for text in hits]
)
def test_a_rule_finds_what_breaks_it_and_not_as_a_question_of_the_customer(
    rule_id: str, text: str
) -> None:
    assert rule_id in found(library(), "agent", text)
    assert found(library(), "customer", text) == set()


@pytest.mark.parametrize("text", [text for _, others in PROHIBITED.values() for text in others])
def test_a_rule_leaves_alone_what_is_negated_or_reported(text: str) -> None:
    assert found(library(), "agent", text) == set()


@pytest.mark.parametrize(
    ("rule_id", "text", "is_missing"),
    [
        (rule, text, is_missing)
        for rule, (said, others) in REQUIRED.items()
        for texts, is_missing in ((said, False), (others, True))
        for text in texts
    ],
)
def test_what_counts_as_said(rule_id: str, text: str, is_missing: bool) -> None:
    hits = matcher_of(library()).find(call("agent", text), is_connected=True)
    assert (rule_id in {hit.rule_id for hit in hits if hit.kind == "missing"}) == is_missing


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
