"""HTTP servers that take messages as the services document them, and refuse what they would refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "SEC0a1b2c"


class RefusalError(Exception):
    """What the service would say."""


def need(condition: object, why: str) -> None:
    if not condition:
        raise RefusalError(why)


def texts(*values: object) -> bool:
    return all(isinstance(value, str) and value for value in values)


def check_wecom(query: Mapping[str, list[str]], _h: Any, body: dict[str, Any]) -> None:
    need(query.get("key") == ["k-123"], "93000 invalid webhook url")
    if body["msgtype"] == "markdown":
        need(len(body["markdown"]["content"].encode()) <= 4096, "40058 content exceeds 4096 bytes")
        need(texts(body["markdown"]["content"]), "44004 empty content")
        return
    need(body["msgtype"] == "template_card", "40008 invalid message type")
    card = body["template_card"]
    need(card["card_type"] == "text_notice", "42045 invalid card type")
    need(texts(card["main_title"]["title"]) or texts(card.get("sub_title_text")), "42045 no title")
    need(len(card.get("sub_title_text", "")) <= 112, "42045 sub title too long")
    need(len(card.get("horizontal_content_list", [])) <= 6, "42045 too many contents")
    for item in card.get("horizontal_content_list", []):
        need(texts(item["keyname"], item["value"]), "42045 keyname")
    need(len(card.get("jump_list", [])) <= 3, "42045 too many jumps")
    for jump in card.get("jump_list", []):
        need(jump["type"] == 1 and texts(jump["title"], jump["url"]), "42045 jump")
    need(card["card_action"]["type"] == 1 and texts(card["card_action"]["url"]), "42045 no action")


def check_dingtalk(query: Mapping[str, list[str]], _h: Any, body: dict[str, Any]) -> None:
    need(query.get("access_token") == ["t-123"], "300005 token is not exist")
    (stamp,) = query.get("timestamp", [""])
    need(stamp.isdigit() and abs(time.time() * 1000 - int(stamp)) < 3_600_000, "310000 timestamp")
    signed = hmac.new(KEY.encode(), f"{stamp}\n{KEY}".encode(), hashlib.sha256).digest()
    need(query.get("sign") == [base64.b64encode(signed).decode()], "310000 sign not match")
    if body["msgtype"] == "markdown":
        need(texts(body["markdown"]["title"], body["markdown"]["text"]), "40035 markdown")
        return
    need(body["msgtype"] == "actionCard", "40035 msgtype")
    card = body["actionCard"]
    need(texts(card["title"], card["text"], card["singleTitle"], card["singleURL"]), "40035 card")


def check_feishu(_q: Any, _h: Any, body: dict[str, Any]) -> None:
    stamp = body.get("timestamp", "")
    need(isinstance(stamp, str) and stamp.isdigit(), "19021 timestamp")
    need(abs(time.time() - int(stamp)) < 3600, "19021 timestamp is not within one hour")
    signed = hmac.new(f"{stamp}\n{KEY}".encode(), b"", hashlib.sha256).digest()
    need(body.get("sign") == base64.b64encode(signed).decode(), "19021 sign match fail")
    need(body["msg_type"] == "interactive", "9499 msg_type")
    need(body["card"]["header"]["title"]["tag"] == "plain_text", "9499 title")
    need(body["card"]["header"]["template"] in ("green", "red", "blue"), "9499 template")
    for element in body["card"]["elements"]:
        need(element["tag"] in ("div", "action", "hr"), "9499 element")
        for action in element.get("actions", []):
            need(action["tag"] == "button" and texts(action["url"], action["text"]["content"]), "9")


def check_slack(_q: Any, _h: Any, body: dict[str, Any]) -> None:
    need(texts(body.get("text")), "no_text")
    need(len(body["blocks"]) <= 50, "invalid_blocks")
    for block in body["blocks"]:
        need(block["type"] in ("header", "section", "actions"), "invalid_blocks")
        need(len(block.get("fields", [])) <= 10, "invalid_blocks")
        for text in [*block.get("fields", []), *([block["text"]] if "text" in block else [])]:
            limit = 150 if block["type"] == "header" else 3000
            need(texts(text["text"]) and len(text["text"]) <= limit, "invalid_blocks")
            need(text["type"] == "plain_text" or "<script" not in text["text"], "invalid_blocks")


def check_teams(_q: Any, _h: Any, body: dict[str, Any]) -> None:
    need(body["type"] == "message" and len(body["attachments"]) == 1, "bad request")
    (attachment,) = body["attachments"]
    need(attachment["contentType"] == "application/vnd.microsoft.card.adaptive", "bad request")
    content = attachment["content"]
    need(content["type"] == "AdaptiveCard" and content["version"] == "1.4", "bad request")
    for part in content["body"]:
        need(part["type"] in ("TextBlock", "FactSet"), "bad request")
    for action in content.get("actions", []):
        need(action["type"] == "Action.OpenUrl" and texts(action["url"]), "bad request")


def check_webhook(_q: Any, headers: Mapping[str, str], body: dict[str, Any]) -> None:
    stamp, raw = headers["X-Callmart-Timestamp"], headers["raw"]
    signed = hmac.new(KEY.encode(), f"{stamp}.{raw}".encode(), hashlib.sha256).hexdigest()
    need(headers["X-Callmart-Signature"] == f"sha256={signed}", "bad signature")
    need(headers["Idempotency-Key"] == body["key"], "no key")


CHECKS: dict[str, Callable[[Any, Any, dict[str, Any]], None]] = {
    "wecom": check_wecom,
    "dingtalk": check_dingtalk,
    "feishu": check_feishu,
    "slack": check_slack,
    "teams": check_teams,
    "webhook": check_webhook,
}
PATHS = {
    "wecom": "/cgi-bin/webhook/send?key=k-123",
    "dingtalk": "/robot/send?access_token=t-123",
    "feishu": "/open-apis/bot/v2/hook/h-123",
    "slack": "/services/T1/B1/x-123",
    "teams": "/workflows/w-123",
    "webhook": "/hook",
}
# What each answers to what it takes and to what it refuses: (status, body).
ANSWERS: dict[str, tuple[tuple[int, str], Callable[[str], tuple[int, str]]]] = {
    "wecom": (
        (200, '{"errcode": 0, "errmsg": "ok"}'),
        lambda why: (200, json.dumps({"errcode": 93000, "errmsg": why})),
    ),
    "dingtalk": (
        (200, '{"errcode": 0, "errmsg": "ok"}'),
        lambda why: (200, json.dumps({"errcode": 310000, "errmsg": why})),
    ),
    "feishu": (
        (200, '{"code": 0, "msg": "success", "data": {}}'),
        lambda why: (200, json.dumps({"code": 19021, "msg": why})),
    ),
    "slack": ((200, "ok"), lambda why: (400, why)),
    "teams": ((202, ""), lambda why: (400, why)),
    "webhook": ((204, ""), lambda why: (401, why)),
}


@dataclass
class Sink:
    """One service: where it listens, what it took and what it refused."""

    kind: str
    url: str
    taken: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    down: bool = False

    @property
    def variable(self) -> str:
        """What a person writes into the environment."""
        secret = f" {KEY}" if self.kind in ("dingtalk", "feishu", "webhook") else ""
        return f"{self.kind} {self.url}{secret}"


@contextmanager
def sink(kind: str) -> Iterator[Sink]:
    """A service of a kind on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {**dict(self.headers), "raw": raw}
            status, answer = ANSWERS[kind][0]
            if service.down:
                status, answer = 503, "down"
            else:
                try:
                    need("utf-8" in self.headers["Content-Type"], "charset")
                    body = json.loads(raw)
                    CHECKS[kind](parse_qs(urlsplit(self.path).query), headers, body)
                    service.taken.append(body)
                except (RefusalError, KeyError, TypeError, ValueError) as error:
                    service.refused.append(repr(error))
                    status, answer = ANSWERS[kind][1](str(error))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = Sink(kind, f"http://127.0.0.1:{server.server_port}{PATHS[kind]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
