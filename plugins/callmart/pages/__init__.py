"""Pages for the people who run callmart: the day's flow, the quarantine, a customer's history, a call.

A web application of its own, server-rendered, that knows no Airflow: who asks and what they may do is
decided by the `Gate` it is given (callmart.airflow puts Airflow's login there).
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from fastapi import Depends, FastAPI, Form, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.background import BackgroundTask

from callmart.pages import queries
from callmart.pages.picture import draw
from callmart.settings import Settings
from callmart.warehouse import connect

HERE = Path(__file__).parent
QUARANTINE_PAGE = 50
CSRF_HOURS = 12


@dataclass(frozen=True)
class Visitor:
    """Who asks, and what they may do beside reading the pages' figures.

    may_hear: recordings and what was said; may_requeue: drive quarantined items again
    """

    name: str
    may_hear: bool
    may_requeue: bool


Gate = Callable[..., Visitor]
"""A FastAPI dependency: the visitor of a request; raises HTTPException(401 or 403) for a stranger."""

# Nothing is loaded from elsewhere, and only the page that frames it (Airflow's) may frame it.
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@cache
def load_words(language: str) -> dict[str, Any]:
    """The words of the pages in `language` (zh or en)."""
    path = HERE / "locales" / f"{language}.yaml"
    words: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return words


def _language(request: Request) -> str:
    """As asked for, as chosen before, as the browser prefers; English otherwise."""
    for wanted in (request.query_params.get("lang"), request.cookies.get("callmart_language")):
        if wanted in ("en", "zh"):
            return wanted
    preferred = request.headers.get("accept-language", "").lower()
    return "zh" if preferred.startswith("zh") else "en"


def _ago(seconds: float | None, words: Mapping[str, Any]) -> str:
    """A lag in the largest unit that fits."""
    if seconds is None:
        return "–"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {words['units'][unit]}"
    return f"{seconds:.0f} {words['units']['s']}"


def _place(milliseconds: int | None) -> str:
    return (
        "–" if milliseconds is None else f"{milliseconds // 60000}:{milliseconds // 1000 % 60:02d}"
    )


def _marked(text: str, spans: list[tuple[int, int]]) -> list[tuple[str, bool]]:
    """A text cut into pieces that were hit and pieces that were not."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in sorted(spans):
        if start < at:
            continue
        pieces += [(text[at:start], False), (text[start:end], True)]
        at = end
    return [piece for piece in [*pieces, (text[at:], False)] if piece[0]]


def create_app(gate: Gate, secret: str, settings_of: Callable[[], Settings]) -> FastAPI:
    """The application, to be mounted anywhere.

    secret: signs the forms' tokens, so that no other site can post in a visitor's name
    """
    from itsdangerous import BadSignature, URLSafeTimedSerializer
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    signer = URLSafeTimedSerializer(secret, salt="callmart-pages")
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # No page of documentation: it would stand outside the gate.
    app = FastAPI(
        title="callmart",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Of every route, also of one that does not ask who it is.
        dependencies=[Depends(gate)],
    )
    known = Annotated[Visitor, Depends(gate)]

    def page(request: Request, name: str, visitor: Visitor, **values: Any) -> HTMLResponse:
        settings = settings_of()
        language = _language(request)
        words = load_words(language)
        zone = ZoneInfo(settings.business_time_zone)

        def moment(value: datetime | None) -> str:
            return "–" if value is None else value.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")

        nonce = secrets.token_urlsafe(12)
        text = environment.get_template(f"{name}.html.j2").render(
            words=words,
            language=language,
            visitor=visitor,
            moment=moment,
            ago=lambda seconds: _ago(seconds, words),
            place=_place,
            root=request.scope.get("root_path", ""),
            page=name,
            nonce=nonce,
            token=signer.dumps(visitor.name),
            **values,
        )
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}';"
            " img-src 'self' data:; media-src 'self'; form-action 'self'; frame-ancestors 'self';"
            " base-uri 'none'"
        )
        answer = HTMLResponse(text, headers={**_HEADERS, "Content-Security-Policy": policy})
        if request.query_params.get("lang") == language:
            answer.set_cookie("callmart_language", language, samesite="lax", httponly=True)
        return answer

    @app.get("/")
    def overview(request: Request, visitor: known) -> Response:
        settings = settings_of()
        with connect(settings) as connection:
            zone = settings.business_time_zone
            (flow,) = queries.rows(connection, queries.FLOW_SQL, zone=zone)
            built = queries.has_marts(connection)
            return page(
                request,
                "overview",
                visitor,
                flow=flow,
                alerts=queries.rows(connection, queries.ALERTS_SQL),
                deliveries=queries.rows(connection, queries.DELIVERIES_SQL),
                freshness=queries.rows(connection, queries.FRESHNESS_SQL) if built else [],
            )

    @app.get("/quarantine")
    def quarantine(
        request: Request, visitor: known, start: Annotated[int, Query(ge=0)] = 0, done: str = ""
    ) -> Response:
        with connect(settings_of()) as connection:
            items = queries.rows(
                connection, queries.QUARANTINE_SQL, limit=QUARANTINE_PAGE + 1, offset=start
            )
        return page(
            request,
            "quarantine",
            visitor,
            items=items[:QUARANTINE_PAGE],
            start=start,
            size=QUARANTINE_PAGE,
            has_more=len(items) > QUARANTINE_PAGE,
            done=done,
        )

    @app.post("/quarantine/requeue")
    def requeue(
        request: Request,
        visitor: known,
        quarantine_id: Annotated[int, Form()],
        token: Annotated[str, Form()],
    ) -> Response:
        try:
            is_own = signer.loads(token, max_age=CSRF_HOURS * 3600) == visitor.name
        except BadSignature:
            is_own = False
        if not is_own or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise HTTPException(403, "the form is not this page's, or too old: load the page again")
        if not visitor.may_requeue:
            raise HTTPException(403, "this needs the right to run ingest_landing")
        from callmart.landing import MappingError, RequeueSelector
        from callmart.landing import requeue as drive_again

        try:
            summary = drive_again(
                settings_of().as_loader(), RequeueSelector(None, quarantine_id, False)
            )
            done = f"{summary.resolved}-{summary.still_open}"
        except LookupError:
            done = "gone"
        except MappingError as error:
            raise HTTPException(409, str(error)) from error
        return RedirectResponse(f"../quarantine?done={done}", status_code=303)

    @app.get("/customers")
    def find_customer(visitor: known, customer_id: str = "") -> Response:
        from urllib.parse import quote

        if not customer_id.strip():
            raise HTTPException(404, "name a customer")
        return RedirectResponse(f"customers/{quote(customer_id.strip(), safe='')}", 303)

    @app.get("/customers/{customer_id:path}")
    def customer(request: Request, visitor: known, customer_id: str) -> Response:
        with connect(settings_of()) as connection:
            built = queries.has_marts(connection)
            events = (
                queries.rows(connection, queries.TIMELINE_SQL, customer_id=customer_id)
                if built
                else []
            )
            if not events:
                raise HTTPException(404, f"nothing is known of the customer {customer_id}")
            quality = queries.rows(connection, queries.CUSTOMER_SQL, customer_id=customer_id)
        return page(
            request,
            "customer",
            visitor,
            customer_id=customer_id,
            quality=quality[0] if quality else None,
            events=events,
        )

    # Before the page of a call, whose id may hold anything.
    @app.get("/calls/{call_id:path}/sound")
    def sound(visitor: known, call_id: str) -> Response:
        from callmart.pages.sound import NoSoundError, playable

        if not visitor.may_hear:
            raise HTTPException(403, "this needs the right to run analyze_recordings")
        settings = settings_of()
        with connect(settings) as connection:
            heard = queries.rows(connection, queries.HEARD_SQL, call_id=call_id)
        if not heard:
            raise HTTPException(404, "the call has no recording")
        sides = [key for key in (heard[0]["agent_key"], heard[0]["customer_key"]) if key]
        try:
            path = playable(settings, sides or [heard[0]["object_key"]])
        except NoSoundError as error:
            raise HTTPException(404, str(error)) from error
        return FileResponse(
            path, media_type="audio/wav", headers=_HEADERS, background=BackgroundTask(path.unlink)
        )

    @app.get("/calls/{call_id:path}")
    def call(request: Request, visitor: known, call_id: str) -> Response:
        settings = settings_of()
        language = _language(request)
        with connect(settings) as connection:
            found = (
                queries.rows(connection, queries.CALL_SQL, call_id=call_id)
                if queries.has_marts(connection)
                else []
            )
            if not found:
                raise HTTPException(404, f"no call {call_id}")
            heard = queries.rows(connection, queries.HEARD_SQL, call_id=call_id)
            hits = queries.rows(connection, queries.HITS_SQL, call_id=call_id)
            segments = queries.rows(connection, queries.SEGMENTS_SQL, call_id=call_id)
            picture = ""
            if heard and heard[0]["duration_seconds"]:
                key = {
                    "content_hash": heard[0]["content_hash"],
                    "analyser_version": heard[0]["analyser_version"],
                }
                picture = draw(
                    heard[0]["duration_seconds"],
                    queries.rows(connection, queries.TURNS_SQL, **key),
                    queries.rows(connection, queries.EVIDENCE_SQL, **key),
                    queries.rows(
                        connection, queries.EMOTIONS_SQL, **key, family=settings.emotion_families[0]
                    ),
                    hits if visitor.may_hear else [],
                    heard[0]["answered_at_seconds"],
                    load_words(language),
                    language,
                )
        said = [
            {
                **segment,
                "pieces": _marked(
                    segment["text"],
                    [
                        (hit["char_start"], hit["char_end"])
                        for hit in hits
                        if hit["segment_index"] == segment["segment_index"]
                        and hit["char_start"] is not None
                    ],
                ),
            }
            for segment in segments
        ]
        return page(
            request,
            "call",
            visitor,
            call=found[0],
            recording=heard[0] if heard else None,
            picture=picture,
            segments=said if visitor.may_hear else [],
            hits=hits if visitor.may_hear else [],
        )

    return app
