"""The pages: who may see what, what they show, and that no other site can act in a visitor's name."""

from __future__ import annotations

import html
import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from fastapi import HTTPException
from fastapi.testclient import TestClient
from mart_rows import insert

from callmart.pages import HERE, Visitor, create_app, load_words
from callmart.pages.picture import draw
from callmart.settings import Settings
from callmart.warehouse import connect

if TYPE_CHECKING:
    from conftest import Bucket

pytestmark = pytest.mark.postgres

EVIL = "<script>alert(1)</script>"
KEY = "k" * 40
TABLES = (
    "ops.objects, ops.alerts, ops.report_deliveries, marts.calls, marts.customer_timeline,"
    " marts.customer_quality, marts.phrase_violations, facts.call_recordings, facts.recordings,"
    " facts.speech_turns, facts.recording_evidence"
)


class Door:
    """Lets in whom the test wants."""

    def __init__(self) -> None:
        self.visitor: Visitor | None = Visitor("kim", may_hear=True, may_requeue=True)

    def __call__(self) -> Visitor:
        if self.visitor is None:
            raise HTTPException(401, "Not authenticated")
        return self.visitor


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def settings(empty_marts: str, s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("CALLMART_WAREHOUSE_DSN", empty_marts)
    settings = Settings.from_environment()
    yield settings
    with connect(settings) as connection:
        connection.execute(f"truncate {TABLES} cascade".encode())


@pytest.fixture
def pages(door: Door, settings: Settings) -> TestClient:
    return TestClient(create_app(door, KEY, lambda: settings), follow_redirects=False)


@pytest.fixture
def call(settings: Settings, s3: Bucket) -> str:
    """A call with a recording in the bucket, a hit, and a customer."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x10\x00\x20\x00" * 8000)
    call_id = "1795000458.826@pbx/2"
    key = "recordings/dt=2026-11-18/x.wav"
    s3.client.put_object(Bucket=s3.name, Key=key, Body=sound.getvalue())
    with connect(settings) as connection:
        insert(connection, "marts.calls", call_id=call_id, customer_id="C 1", agent_id=EVIL,
               direction="outbound", outcome="human", is_connected="true",
               call_date="2026-11-18")  # fmt: skip
        insert(connection, "marts.phrase_violations", phrase_violation_id="v", call_id=call_id,
               rule_id="promise", rule_name_en="Promise", severity="critical", kind="prohibited",
               start_ms=61500, end_ms=62000, quoted_text=EVIL)  # fmt: skip
        insert(connection, "marts.customer_timeline", customer_id="C 1", event_number=1,
               occurred_at="2026-11-18T02:00:00Z", event_type="call", call_id=call_id,
               place_ms=61500, summary_en="Outbound: answered", summary_zh="呼出：接听")  # fmt: skip
        insert(connection, "marts.customer_quality", customer_id="C 1", tier="B", total_score=61.5,
               is_current="true", confidence=0.5, tier_zh="正常联系")  # fmt: skip
        insert(connection, "facts.call_recordings", call_id=call_id, content_hash="h",
               object_key=key, delivered_on="2026-11-18", _transaction_id=1)  # fmt: skip
        insert(connection, "facts.recordings", content_hash="h", analyser_version="v",
               outcome="human", duration_seconds=90, answered_at_seconds=12)  # fmt: skip
        insert(connection, "facts.speech_turns", content_hash="h", analyser_version="v",
               side="agent", start_seconds=13, end_seconds=20)  # fmt: skip
        insert(connection, "facts.recording_evidence", content_hash="h", analyser_version="v",
               kind="ringback", start_seconds=0, end_seconds=11, detail="CN 450 Hz")  # fmt: skip
    return call_id


ADDRESSES = [
    "/", "/quarantine", "/customers?customer_id=x", "/customers/x", "/calls/x", "/calls/x/sound",
    "/docs", "/openapi.json",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stranger_sees_nothing(pages: TestClient, door: Door, address: str) -> None:
    door.visitor = None
    answer = pages.get(address)
    assert answer.status_code in (401, 404)
    assert "callmart" not in answer.text
    assert (
        pages.post("/quarantine/requeue", data={"quarantine_id": 1, "token": "x"}).status_code
        == 401
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_day_is_shown_in_both_languages(
    pages: TestClient, settings: Settings, language: str
) -> None:
    with connect(settings) as connection:
        connection.execute(
            "insert into ops.alerts (check_name, subject, severity, message)"
            " values ('critical_phrase', 'c1', 'critical', %s)",
            (EVIL,),
        )
        connection.execute(
            "insert into ops.report_deliveries (report, period_start, period_end, audience,"
            " language, channel, recipient, content_sha256, status, message) values ('daily',"
            " '2026-11-18', '2026-11-18', 'management', 'zh', 'mail', 'a@x.test', 'x', 'failed', '550')"
        )
    answer = pages.get(f"/?lang={language}")
    words = load_words(language)
    assert answer.status_code == 200
    for shown in (
        words["flow"],
        words["severities"]["critical"],
        "critical_phrase",
        "550",
    ):
        assert shown in html.unescape(answer.text)
    assert f'<html lang="{language}">' in answer.text
    assert EVIL not in answer.text
    assert "&lt;script&gt;" in answer.text
    # The choice is remembered.
    assert f'<html lang="{language}">' in pages.get("/").text


def test_locales_say_the_same_things() -> None:
    def keys(node: Any, path: str = "") -> set[str]:
        if isinstance(node, dict):
            return {key for name, value in node.items() for key in keys(value, f"{path}.{name}")}
        return {path}

    texts = [(HERE / "locales" / f"{name}.yaml").read_text() for name in ("en", "zh")]
    english, chinese = (keys(yaml.safe_load(text)) for text in texts)
    assert english == chinese


def test_nothing_comes_from_elsewhere_and_nobody_else_frames_it(pages: TestClient) -> None:
    answer = pages.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "'unsafe-inline'" not in policy
    assert answer.headers["cache-control"] == "no-store"
    nonce = re.search(r"style-src 'nonce-([^']+)'", policy)
    assert nonce
    assert f'<style nonce="{nonce[1]}">' in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


def test_a_call_is_shown_with_its_picture_hits_and_sound(pages: TestClient, call: str) -> None:
    answer = pages.get(f"/calls/{call}?lang=en")
    assert answer.status_code == 200
    assert "A person answered" in answer.text
    assert 'data-at="61.5"' in answer.text
    assert "Promise" in answer.text
    assert EVIL not in answer.text
    assert answer.text.count("<rect ") == 3, "a turn, the ringing, the hit"
    assert 'href="/customers/C%201"' in answer.text
    sound = pages.get(f"/calls/{call}/sound")
    assert sound.status_code == 200
    assert sound.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(sound.content)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 8000)
        assert file.readframes(1) == b"\x10\x00\x20\x00"
    part = pages.get(f"/calls/{call}/sound", headers={"Range": "bytes=44-47"})
    assert (part.status_code, part.content) == (206, b"\x10\x00\x20\x00")


def test_who_may_not_hear_neither_hears_nor_reads(
    pages: TestClient, door: Door, call: str, settings: Settings
) -> None:
    door.visitor = Visitor("lee", may_hear=False, may_requeue=False)
    answer = pages.get(f"/calls/{call}?lang=en")
    assert answer.status_code == 200
    assert load_words("en")["may_not_hear"] in answer.text
    assert "Promise" not in answer.text
    assert "<audio" not in answer.text
    assert pages.get(f"/calls/{call}/sound").status_code == 403


def test_a_recording_that_is_none_is_said(pages: TestClient, call: str, s3: Bucket) -> None:
    s3.client.put_object(Bucket=s3.name, Key="recordings/dt=2026-11-18/x.wav", Body=b"no sound")
    answer = pages.get(f"/calls/{call}/sound")
    assert answer.status_code == 404
    assert "x.wav" in answer.json()["detail"]
    assert pages.get("/calls/nobody/sound").status_code == 404
    assert pages.get("/calls/nobody").status_code == 404


def test_a_customers_history_leads_to_the_place_in_the_call(pages: TestClient, call: str) -> None:
    found = pages.get("/customers", params={"customer_id": " C 1 "})
    assert (found.status_code, found.headers["location"]) == (303, "customers/C%201")
    answer = pages.get("/customers/C 1?lang=zh")
    assert "呼出：接听" in answer.text
    assert "正常联系" in answer.text
    assert 'href="/calls/1795000458.826%40pbx/2#t=61"' in answer.text
    assert pages.get("/customers/nobody").status_code == 404


@pytest.fixture
def quarantined(settings: Settings, s3: Bucket) -> int:
    """A row in quarantine whose file was mended since."""
    from callmart.landing import discover, load_objects

    key = "crm/agents/dt=2026-11-18/a.csv"
    s3.client.put_object(Bucket=s3.name, Key=key, Body=f"agent_id,hired_on\nA1,{EVIL}\n".encode())
    for batch in discover(settings):
        load_objects(settings, batch["object_ids"])
    with connect(settings) as connection:
        [(number,)] = connection.execute(
            "select quarantine_id from ops.quarantine where status = 'open'"
        ).fetchall()
    return int(number)


def token_of(text: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', text)
    assert found
    return found[1]


def test_a_quarantined_row_is_driven_again(pages: TestClient, quarantined: int) -> None:
    shown = pages.get("/quarantine?lang=en")
    assert "crm/agents/dt=2026-11-18/a.csv" in shown.text
    assert EVIL not in shown.text
    form = {"quarantine_id": quarantined, "token": token_of(shown.text)}
    done = pages.post("/quarantine/requeue", data=form)
    assert (done.status_code, done.headers["location"]) == (303, "../quarantine?done=0-1")
    assert "0 resolved, 1 still open" in pages.get("/quarantine?lang=en&done=0-1").text
    gone = pages.post("/quarantine/requeue", data={**form, "quarantine_id": 999_999})
    assert gone.headers["location"] == "../quarantine?done=gone"


def test_no_other_site_requeues_in_a_visitors_name(
    pages: TestClient, door: Door, quarantined: int
) -> None:
    token = token_of(pages.get("/quarantine").text)
    form = {"quarantine_id": quarantined, "token": token}
    assert pages.post("/quarantine/requeue", data={**form, "token": token[:-2]}).status_code == 403
    assert pages.post("/quarantine/requeue", data={"quarantine_id": quarantined}).status_code == 422
    crossing = {"Sec-Fetch-Site": "cross-site"}
    assert pages.post("/quarantine/requeue", data=form, headers=crossing).status_code == 403
    door.visitor = Visitor("lee", may_hear=True, may_requeue=True)
    assert pages.post("/quarantine/requeue", data=form).status_code == 403, "another's token"
    door.visitor = Visitor("kim", may_hear=True, may_requeue=False)
    assert pages.post("/quarantine/requeue", data=form).status_code == 403
    assert 'name="token"' not in pages.get("/quarantine").text


def test_the_picture_holds_whatever_is_long_or_hostile() -> None:
    words = load_words("zh")
    turn = {"side": "mixed", "start_seconds": 0.0, "end_seconds": 7200.0}
    evidence = [
        {"kind": EVIL, "start_seconds": 3.0, "end_seconds": None, "detail": '"><b>'},
        {"kind": "x", "start_seconds": None, "end_seconds": None, "detail": None},
    ]
    drawn = draw(7200.0, [turn], evidence, [], [], None, words, "zh")
    assert "<b>" not in drawn
    assert "<script" not in drawn
    assert drawn.count("<rect ") == 2
    assert drawn.count('y1="0"') <= 15, "few enough ticks to be read"
    assert draw(0.2, [], [], [], [], None, words, "zh").startswith("<svg ")


def test_pages_are_served_below_any_prefix(door: Door, settings: Settings, call: str) -> None:
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/callmart", create_app(door, KEY, lambda: settings))
    client = TestClient(outer)
    text = client.get("/callmart/").text
    for address in set(re.findall(r'(?:href|action|src)="(/[^"]*)"', text)):
        assert address.startswith("/callmart/"), address
    assert Path(HERE, "templates", "base.html.j2").exists()
    assert client.get(f"/callmart/calls/{call}").status_code == 200
