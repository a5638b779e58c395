"""Messages to the group chats of a team, and to a webhook of one's own.

A robot is named in the environment: `CALLMART_ROBOT_<NAME>` holds its kind, its address and, where it
signs, its secret, parted by blanks; wherever recipients are listed, `robot:<name>` is one. Formats
and signatures follow the services' own documentation of group robots: WeCom ("group robot
configuration"), DingTalk ("custom robot access"), Feishu ("custom bot guide"), Slack ("incoming
webhooks"), Teams ("incoming webhooks with Workflows": Adaptive Cards 1.4).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

TIMEOUT_SECONDS: Final = 15.0
PREFIX: Final = "robot:"
"""Of a recipient that is a robot and no mail address."""

Tone = Literal["good", "bad", "neutral"]


class RobotError(Exception):
    """A robot is described wrongly, could not be reached, or refused; `str()` holds no secret."""


@dataclass(frozen=True)
class Card:
    """A message: what it is about, a sentence or more, the headline figures, where to read on.

    facts: (label, value, tone)
    key: the same for the same message, so that a receiver can tell a repetition
    """

    key: str
    title: str
    text: str
    facts: tuple[tuple[str, str, Tone], ...] = ()
    link_label: str = ""
    link: str = ""
    tone: Tone = "neutral"


@dataclass(frozen=True)
class Robot:
    """Where messages go: a kind of `KINDS`, an address and a secret, both of which stay secret."""

    name: str
    kind: str
    url: str = field(repr=False)
    secret: str = field(repr=False, default="")


def find_robot(described: Mapping[str, str], recipient: str) -> Robot:
    """The robot that a recipient `robot:<name>` means.

    described: `KIND ADDRESS [SECRET]` by name (`Settings.robots`). Raises `RobotError`, naming the
    variable, for one that is not there or described otherwise.
    """
    name = recipient.removeprefix(PREFIX).lower()
    variable = f"CALLMART_ROBOT_{name.upper()}"
    if name not in described:
        raise RobotError(f"{recipient}: {variable} is not set")
    kind, *rest = described[name].split()
    if kind not in KINDS or not 1 <= len(rest) <= 2 or not rest[0].startswith("http"):
        raise RobotError(
            f"{variable} has to be `KIND ADDRESS [SECRET]`, KIND one of {', '.join(KINDS)}"
        )
    if kind == "webhook" and len(rest) == 1:
        raise RobotError(f"{variable}: a webhook needs a secret to sign with")
    return Robot(name, kind, *rest)


def post(robot: Robot, card: Card) -> None:
    """Send a card once.

    Raises `RobotError` with the service's own words when it was not taken.
    """
    import httpx

    request = KINDS[robot.kind](robot, card, time.time())
    try:
        answer = httpx.post(
            request.url,
            content=request.body,
            headers={"Content-Type": "application/json; charset=utf-8", **request.headers},
            timeout=TIMEOUT_SECONDS,
        )
    except httpx.HTTPError as error:
        # Its text may hold the address, and with it the key.
        raise RobotError(f"{robot.name} ({robot.kind}): {type(error).__name__}") from None
    refusal = _refusal(robot.kind, answer.status_code, answer.text)
    if refusal:
        raise RobotError(f"{robot.name} ({robot.kind}) refused: {refusal}")


def _refusal(kind: str, status: int, text: str) -> str:
    """Why the service did not take the message, by its own answer; empty where it did."""
    if not 200 <= status < 300:
        return f"HTTP {status} {text[:200]}"
    if kind in ("wecom", "dingtalk", "feishu"):
        # They answer 200 to what they refuse, and say so inside.
        try:
            said: Any = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            return f"no JSON: {text[:200]}"
        code = said.get("errcode", said.get("code", said.get("StatusCode")))
        if code != 0:
            return f"{code} {said.get('errmsg') or said.get('msg') or ''}".strip()
    if kind == "slack" and text.strip() != "ok":
        return text[:200]
    return ""


# --- the formats ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Request:
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _signature(key: str, message: str) -> str:
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


def _cut_bytes(text: str, size: int) -> str:
    raw = text.encode()
    return text if len(raw) <= size else raw[: size - 3].decode(errors="ignore") + "…"


# WeCom: what a template card holds, beyond which it is refused; a text may have 4,096 bytes.
_WECOM_FACTS = 6
_WECOM_TEXT = 112
_WECOM_BYTES = 4096
_WECOM_COLOURS = {"good": "info", "bad": "warning", "neutral": "comment"}


def _wecom(robot: Robot, card: Card, _now: float) -> _Request:
    if card.link and len(card.facts) <= _WECOM_FACTS and len(card.text) <= _WECOM_TEXT:
        document: dict[str, Any] = {
            "msgtype": "template_card",
            "template_card": {
                "card_type": "text_notice",
                "main_title": {"title": _cut(card.title, 36)},
                "sub_title_text": card.text,
                "horizontal_content_list": [
                    {"keyname": _cut(label, 12), "value": _cut(value, 30)}
                    for label, value, _ in card.facts
                ],
                "jump_list": [{"type": 1, "title": card.link_label, "url": card.link}],
                "card_action": {"type": 1, "url": card.link},
            },
        }
        return _Request(robot.url, _json(document))
    lines = [f"**{card.title}**", card.text]
    lines += [
        f'> {label} <font color="{_WECOM_COLOURS[tone]}">{value}</font>'
        for label, value, tone in card.facts
    ]
    tail = f"\n[{card.link_label}]({card.link})" if card.link else ""
    text = _cut_bytes("\n".join(lines), _WECOM_BYTES - len(tail.encode())) + tail
    return _Request(robot.url, _json({"msgtype": "markdown", "markdown": {"content": text}}))


def _dingtalk(robot: Robot, card: Card, now: float) -> _Request:
    import httpx

    url = httpx.URL(robot.url)
    if robot.secret:
        stamp = str(round(now * 1000))
        url = url.copy_merge_params(
            {"timestamp": stamp, "sign": _signature(robot.secret, f"{stamp}\n{robot.secret}")}
        )
    text = "\n\n".join(
        [
            f"### {card.title}",
            card.text,
            *(f"- {label}: **{value}**" for label, value, _ in card.facts),
        ]
    )
    if card.link:
        document = {
            "msgtype": "actionCard",
            "actionCard": {
                "title": card.title,
                "text": text,
                "singleTitle": card.link_label,
                "singleURL": card.link,
            },
        }
    else:
        document = {"msgtype": "markdown", "markdown": {"title": card.title, "text": text}}
    return _Request(str(url), _json(document))


_FEISHU_COLOURS = {"good": "green", "bad": "red", "neutral": "blue"}


def _feishu(robot: Robot, card: Card, now: float) -> _Request:
    elements: list[dict[str, Any]] = [
        {"tag": "div", "text": {"tag": "plain_text", "content": card.text}}
    ]
    if card.facts:
        elements.append(
            {
                "tag": "div",
                "fields": [
                    {
                        "is_short": True,
                        "text": {"tag": "lark_md", "content": f"{label}\n**{value}**"},
                    }
                    for label, value, _ in card.facts
                ],
            }
        )
    if card.link:
        button = {
            "tag": "button",
            "text": {"tag": "plain_text", "content": card.link_label},
            "url": card.link,
            "type": "primary",
        }
        elements.append({"tag": "action", "actions": [button]})
    document: dict[str, Any] = {
        "msg_type": "interactive",
        "card": {
            "header": {
                "title": {"tag": "plain_text", "content": card.title},
                "template": _FEISHU_COLOURS[card.tone],
            },
            "elements": elements,
        },
    }
    if robot.secret:
        stamp = str(int(now))
        # The key is what elsewhere is the message, and nothing is signed with it.
        signed = _signature(f"{stamp}\n{robot.secret}", "")
        document = {"timestamp": stamp, "sign": signed, **document}
    return _Request(robot.url, _json(document))


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack(robot: Robot, card: Card, _now: float) -> _Request:
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(card.title, 150)}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": _cut(_slack_text(card.text), 3000)},
        },
    ]
    # A section takes ten fields.
    blocks += [
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": f"{_slack_text(label)}\n*{_slack_text(value)}*"}
                for label, value, _ in card.facts[start : start + 10]
            ],
        }
        for start in range(0, len(card.facts), 10)
    ]
    if card.link:
        button = {
            "type": "button",
            "text": {"type": "plain_text", "text": _cut(card.link_label, 75)},
            "url": card.link,
        }
        blocks.append({"type": "actions", "elements": [button]})
    return _Request(robot.url, _json({"text": _slack_text(card.title), "blocks": blocks}))


_TEAMS_COLOURS = {"good": "Good", "bad": "Attention", "neutral": "Default"}


def _teams(robot: Robot, card: Card, _now: float) -> _Request:
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": card.title,
            "weight": "Bolder",
            "size": "Medium",
            "color": _TEAMS_COLOURS[card.tone],
            "wrap": True,
        },
        {"type": "TextBlock", "text": card.text, "wrap": True},
    ]
    if card.facts:
        facts = [{"title": label, "value": value} for label, value, _ in card.facts]
        body.append({"type": "FactSet", "facts": facts})
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if card.link:
        content["actions"] = [
            {"type": "Action.OpenUrl", "title": card.link_label, "url": card.link}
        ]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return _Request(robot.url, _json({"type": "message", "attachments": [attachment]}))


def sign_webhook(secret: str, timestamp: int, body: bytes) -> str:
    """What `X-Callmart-Signature` holds: HMAC-SHA256 (RFC 2104) of `<timestamp>.<body>`, in hex.

    timestamp: seconds since 1970, as in `X-Callmart-Timestamp`
    """
    signed = f"{timestamp}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _webhook(robot: Robot, card: Card, now: float) -> _Request:
    body = _json(
        {
            "key": card.key,
            "title": card.title,
            "text": card.text,
            "facts": [
                {"label": label, "value": value, "tone": t} for label, value, t in card.facts
            ],
            "link": card.link or None,
            "tone": card.tone,
        }
    )
    headers = {
        "X-Callmart-Timestamp": str(int(now)),
        "X-Callmart-Signature": sign_webhook(robot.secret, int(now), body),
        "Idempotency-Key": card.key,
    }
    return _Request(robot.url, body, headers)


KINDS: Final[Mapping[str, Callable[[Robot, Card, float], _Request]]] = {
    "wecom": _wecom,
    "dingtalk": _dingtalk,
    "feishu": _feishu,
    "slack": _slack,
    "teams": _teams,
    "webhook": _webhook,
}
