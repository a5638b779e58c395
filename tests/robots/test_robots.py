"""Messages to group robots: held to what each service documents, over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from robot_sinks import CHECKS, KEY, sink

from callmart.robots import Card, RobotError, find_robot, post
from callmart.settings import Settings

CARD = Card(
    key="daily/2026-11-19/management",
    title="日报 · 2026-11-19",
    text="接通率 31.2%，比上一个同日高 2.1 个百分点。",
    facts=(("外呼", "1 204", "neutral"), ("接通率", "31.2 %", "good"), ("违规", "7", "bad")),
    link_label="打开日报",
    link="https://example.test/report?x=1&y=2",
    tone="good",
)
LONG = replace(CARD, text="很长。" * 3000, facts=CARD.facts * 9)
BARE = replace(CARD, link="", link_label="", facts=())
HOSTILE = replace(
    CARD, title="<script>x</script>", text='"&<script>alert(1)</script>\\ \n emoji 😀'
)


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize(
    "card", [CARD, LONG, BARE, HOSTILE], ids=["card", "long", "bare", "hostile"]
)
def test_each_service_takes_the_message(kind: str, card: Card) -> None:
    with sink(kind) as service:
        robot = find_robot({"sales": service.variable}, "robot:sales")
        post(robot, card)
        assert service.refused == []
        [taken] = service.taken
    said = json.dumps(taken, ensure_ascii=False)
    if card is CARD:
        assert all(word in said for word in (card.title, card.text, "31.2 %", card.link))


@pytest.mark.parametrize("kind", CHECKS)
def test_a_refusal_is_said_without_the_secret(kind: str) -> None:
    with sink(kind) as service:
        robot = find_robot({"x": service.variable}, "robot:x")
        service.down = True
        with pytest.raises(RobotError, match="503 down") as refused:
            post(robot, CARD)
        assert "123" not in str(refused.value)
        service.down = False
        if kind in ("dingtalk", "feishu", "webhook"):
            with pytest.raises(RobotError, match="sign"):
                post(replace(robot, secret=KEY[::-1]), CARD)
    with pytest.raises(RobotError, match="ConnectError") as away:
        post(robot, CARD)
    for text in (str(refused.value), str(away.value), repr(robot)):
        assert "123" not in text
        assert KEY not in text


def test_wecom_gets_a_card_where_it_fits_and_text_where_not() -> None:
    with sink("wecom") as service:
        robot = find_robot({"a": service.variable}, "robot:a")
        for card in (CARD, LONG, BARE):
            post(robot, card)
        assert [taken["msgtype"] for taken in service.taken] == [
            "template_card",
            "markdown",
            "markdown",
        ]
        assert service.taken[1]["markdown"]["content"].endswith(f"({CARD.link})")


@pytest.mark.parametrize(
    "value",
    [
        "telegram http://x.test",
        "wecom",
        "wecom ftp://x.test",
        "wecom http://x.test a b",
        "webhook http://x.test",
    ],
)
def test_a_robot_that_is_none_is_named(value: str) -> None:
    with pytest.raises(RobotError, match="CALLMART_ROBOT_OPS"):
        find_robot({"ops": value}, "robot:ops")
    with pytest.raises(RobotError, match="CALLMART_ROBOT_NOBODY is not set"):
        find_robot({"ops": value}, "robot:nobody")


def test_robots_are_read_from_the_environment() -> None:
    settings = Settings.from_environment(
        {
            "CALLMART_ROBOT_OPS": "slack https://hooks.x.test/a",
            "CALLMART_ROBOT_TEAM_EAST": "dingtalk https://ding.x.test/?access_token=1 SECx",
            "CALLMART_ROBOT_UNSET": " ",
        }
    )
    assert set(settings.robots) == {"ops", "team_east"}
    assert "SECx" not in repr(settings)
    east = find_robot(settings.robots, "robot:Team_East")
    assert (east.name, east.kind, east.secret) == ("team_east", "dingtalk", "SECx")
