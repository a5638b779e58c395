"""Searching what was said: transcripts of the warehouse → `ml.phrases` → phrase hits and outcomes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from callmart.recordings.search import keep_folding, keep_terms
from callmart.settings import Settings
from callmart.warehouse import connect, copy_rows

if TYPE_CHECKING:
    from ml.phrases import Matcher, Rule
    from ml.transcripts import Transcript

log = logging.getLogger(__name__)

TRANSCRIPTS_PER_COMMIT = 500
CALL_BACK_SIGNAL = "callback_agreed"
"""The signal (ml/phrases/signals.yaml) that a customer agreed to be called back."""

HIT_COLUMNS = (
    "transcript_sha256", "rule_hash", "hit_index", "rule_id", "kind", "condition", "role",
    "start_ms", "end_ms", "segment_index", "segment_end_index", "char_start", "char_end", "text",
    "context", "severity", "points", "said_moment",
)  # fmt: skip

UNSEARCHED_SQL = """
select distinct on (transcripts.content_sha256)
    transcripts.object_id,
    array(
        select scans.ruleset_hash
        from facts.phrase_scans as scans
        inner join facts.phrase_rulesets as rulesets using (ruleset_hash)
        where scans.transcript_sha256 = transcripts.content_sha256
            and rulesets.announcements_version = %(version)s
        order by scans.ruleset_hash
    ) as searched_with
from facts.transcripts
where not exists (
    select from facts.phrase_scans as scans
    where scans.transcript_sha256 = transcripts.content_sha256
        and scans.ruleset_hash = %(ruleset)s
)
and (
    %(first_day)s::date is null
    or exists (
        select from raw.calls
        where calls.call_id = transcripts.call_id
            and (calls.started_at at time zone %(zone)s)::date between %(first_day)s and %(last_day)s
    )
)
order by transcripts.content_sha256, transcripts.object_id
"""

SEGMENTS_SQL = """
select
    transcripts.content_sha256, transcripts.call_id, transcripts.language, transcripts.engine,
    transcripts.format, transcripts.is_connected,
    segments.segment_index, segments.role, segments.start_ms, segments.end_ms, segments.text,
    segments.words, segments.speaker, segments.speech_start
-- What was recognised of a recording that two calls share is one transcript.
from (
    select distinct on (object_id) * from facts.transcripts
    where object_id = any(%s)
    order by object_id, call_id
) as transcripts
left join facts.transcript_segments as segments on transcripts.object_id = segments.object_id
order by transcripts.content_sha256, segments.segment_index
"""


@dataclass(frozen=True)
class MatchSummary:
    """What one search did; `broken_rules` are rule ids of the CRM that cannot be applied.

    transcripts: those that were read; one whose rules are all known already is not.
    """

    ruleset_hash: str
    transcripts: int
    hits: int
    broken_rules: list[str]


@dataclass(frozen=True)
class _RuleSet:
    rules: list[Rule]
    rows: list[tuple[Any, ...]]
    ruleset_hash: str
    broken: list[tuple[int, str, str]]

    @property
    def hashes(self) -> list[str]:
        return [row[0] for row in self.rows]

    def without(self, known: set[str]) -> tuple[list[Rule], list[str]]:
        """The rules whose hashes are not among `known`, and their hashes."""
        left = [
            (rule, digest)
            for rule, digest in zip(self.rules, self.hashes, strict=True)
            if digest not in known
        ]
        return [rule for rule, _ in left], [digest for _, digest in left]


# A set that judges, or did, goes on being searched for: what comes late belongs to its days too.
SETS_SQL = """
select rules_version, rule ->> 'rule_id', rule -> 'definition'
from ops.rule_sets, jsonb_array_elements(phrase_rules) as rule
where origin <> 'crm' and (
    rules_version = %s
    or rules_version::text in (select version from ops.version_pins where kind = 'rules')
)
order by rules_version, 2
"""


def _load_rules(connection: Connection[Any], rules_version: int | None = None) -> _RuleSet:
    """Every rule the CRM ever delivered, else the shipped library; and the interest signals.

    All versions are searched for, whichever is in force: which one counts for a call is decided in
    the warehouse by the call's start, so that rules may arrive in any order. Beside them the rules
    of the sets (ops.rule_sets) that somebody pinned to some days, and of set `rules_version`.
    """
    from ml.phrases import RulesRefusedError, library, parse_rule, rule_hash, signals
    from ml.phrases.versions import ANNOUNCEMENTS_VERSION

    delivered = connection.execute(
        "select distinct on (rule_id, definition) rule_id, definition, _object_id"
        " from raw.phrase_rules order by rule_id, definition, _object_id"
    ).fetchall()
    broken: list[tuple[int, str, str]] = []
    chosen: list[tuple[Rule, str, str, Any]] = []
    for rule_id, definition, object_id in delivered:
        try:
            chosen.append((parse_rule(definition), "rule", "crm", definition))
        except RulesRefusedError as error:
            broken.append((object_id, rule_id, str(error)))
    if not delivered:
        chosen += [(rule, "rule", "library", asdict(rule)) for rule in library().rules]
    chosen += [
        (parse_rule(definition), "rule", "file", definition)
        for _, _, definition in connection.execute(SETS_SQL, (rules_version,)).fetchall()
    ]
    chosen += [(rule, "signal", "library", asdict(rule)) for rule in signals().rules]
    by_hash: dict[str, tuple[Rule, tuple[Any, ...]]] = {}
    for rule, purpose, origin, definition in chosen:
        digest = rule_hash(rule)
        name = rule.name or {}
        row = (
            digest, rule.id, purpose, origin, Jsonb(definition), rule.severity, rule.points,
            name.get("en"), name.get("zh"),
        )  # fmt: skip
        by_hash.setdefault(digest, (rule, row))
    hashes = sorted(by_hash)
    # The version of the announcements holds the matcher's: a change of either searches all again.
    versions_and_rules = "\n".join([ANNOUNCEMENTS_VERSION, *hashes])
    ruleset_hash = hashlib.sha256(versions_and_rules.encode()).hexdigest()
    return _RuleSet(
        [by_hash[digest][0] for digest in hashes],
        [by_hash[digest][1] for digest in hashes],
        ruleset_hash,
        broken,
    )


def _keep_rules(connection: Connection[Any], rules: _RuleSet, version: str) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into facts.phrase_rules
                (rule_hash, rule_id, purpose, origin, definition, severity, points,
                 name_en, name_zh)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (rule_hash) do nothing
            """,
            rules.rows,
        )
        cursor.executemany(
            """
            insert into ops.notices (object_id, kind, subject, detail)
            values (%s, 'broken_phrase_rule', %s, %s)
            on conflict (object_id, kind, subject) do update set detail = excluded.detail
            """,
            rules.broken,
        )
        cursor.execute(
            """
            insert into facts.phrase_rulesets (ruleset_hash, announcements_version, rule_hashes)
            values (%s, %s, %s)
            on conflict (ruleset_hash) do nothing
            """,
            (rules.ruleset_hash, version, rules.hashes),
        )


def _unsearched(
    connection: Connection[Any],
    rules: _RuleSet,
    version: str,
    days: tuple[date, date] | None,
    zone: str,
) -> list[tuple[set[str], list[int]]]:
    """Transcripts that this set of rules has not searched, by the rules that already were.

    days: the first and last business day of their calls; None: all.
    """
    contents = dict(
        connection.execute(
            "select ruleset_hash, rule_hashes from facts.phrase_rulesets"
            " where announcements_version = %s",
            (version,),
        ).fetchall()
    )
    groups: dict[tuple[str, ...], list[int]] = {}
    first_day, last_day = days or (None, None)
    for object_id, searched_with in connection.execute(
        UNSEARCHED_SQL,
        {
            "version": version, "ruleset": rules.ruleset_hash, "zone": zone,
            "first_day": first_day, "last_day": last_day,
        },
    ):  # fmt: skip
        groups.setdefault(tuple(searched_with), []).append(object_id)
    return [
        ({digest for ruleset in searched_with for digest in contents[ruleset]}, object_ids)
        for searched_with, object_ids in groups.items()
    ]


def _transcripts(
    connection: Connection[Any], object_ids: Sequence[int]
) -> Iterator[tuple[str, Transcript]]:
    """The transcripts of `object_ids` with their content hash, read back from raw."""
    from ml.transcripts import Segment, Transcript, Word

    rows = connection.execute(SEGMENTS_SQL, (list(object_ids),)).fetchall()
    for (sha, call_id, language, engine, form, is_connected), group in groupby(
        rows, key=lambda row: row[:6]
    ):
        segments = [
            Segment(
                index=index,
                role=role,
                start_ms=start_ms,
                end_ms=end_ms,
                text=text,
                words=tuple(Word(**word) for word in words or ()),
                speaker=speaker,
                speech_start=speech_start,
            )
            for index, role, start_ms, end_ms, text, words, speaker, speech_start in (
                row[6:] for row in group
            )
            if index is not None
        ]
        yield (
            sha,
            Transcript(
                call_id=call_id,
                language=language,
                engine=engine,
                format=form,
                segments=tuple(segments),
                is_connected=is_connected,
                problems=(),
            ),
        )


def match_phrases(
    settings: Settings,
    rules_version: int | None = None,
    days: tuple[date, date] | None = None,
) -> MatchSummary:
    """Search every transcript for the rules it has not been searched for, some hundred a commit.

    Killed and run again it goes on where it was; a rule that is new is searched for alone, adds its
    hits and repeats none. Hits that a newer matcher no longer finds are taken back. For a trial, the
    rules of a set (ops.rule_sets) can be added, and the search kept to calls of some business days
    (first and last).
    """
    from ml.phrases import Matcher
    from ml.phrases.versions import ANNOUNCEMENTS_VERSION

    found = searched = 0
    with connect(settings) as connection:
        rules = _load_rules(connection, rules_version)
        _keep_rules(connection, rules, ANNOUNCEMENTS_VERSION)
        keep_folding(connection, ANNOUNCEMENTS_VERSION)
        connection.commit()
        for known, waiting in _unsearched(
            connection, rules, ANNOUNCEMENTS_VERSION, days, settings.business_time_zone
        ):
            wanted, hashes = rules.without(known)
            matcher = Matcher(wanted)
            for object_ids in _slices(waiting):
                if hashes or not known:
                    # Whatever was searched by this version has its announcement heard too.
                    found += _search(connection, object_ids, matcher, hashes, not known)
                    searched += len(object_ids)
                connection.execute(
                    "insert into facts.phrase_scans (transcript_sha256, ruleset_hash)"
                    " select distinct content_sha256, %s from facts.transcripts"
                    " where object_id = any(%s) on conflict do nothing",
                    (rules.ruleset_hash, object_ids),
                )
                connection.commit()
    return MatchSummary(rules.ruleset_hash, searched, found, [item[1] for item in rules.broken])


def _search(
    connection: Connection[Any],
    object_ids: Sequence[int],
    matcher: Matcher,
    rule_hashes: Sequence[str],
    with_announcements: bool,
) -> int:
    """Keep what these rules find in these transcripts; how many hits were not there yet."""
    from ml.phrases.announcements import announcement_outcome
    from ml.phrases.versions import ANNOUNCEMENTS_VERSION

    hits: list[tuple[Any, ...]] = []
    outcomes: list[tuple[Any, ...]] = []
    said: list[tuple[str, int, str]] = []
    hashes: list[str] = []
    for sha, transcript in _transcripts(connection, object_ids):
        hashes.append(sha)
        hits += _hit_rows(sha, matcher.find(transcript, evaluate_connected=False))
        if not with_announcements:
            continue
        said += [(sha, s.index, s.text[s.speech_start :]) for s in transcript.segments]
        announced = announcement_outcome(transcript)
        outcome, hit = announced if announced else (None, None)
        outcomes.append(
            (
                sha,
                ANNOUNCEMENTS_VERSION,
                outcome,
                hit.segment_index if hit else None,
                hit.char_start if hit else None,
                hit.char_end if hit else None,
                hit.text if hit else None,
            )
        )
    found = _keep_hits(connection, hashes, rule_hashes, hits)
    keep_terms(connection, ANNOUNCEMENTS_VERSION, said)
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into facts.transcript_outcomes
                (transcript_sha256, announcements_version, outcome, segment_index,
                 char_start, char_end, text)
            values (%s, %s, %s, %s, %s, %s, %s)
            on conflict (transcript_sha256, announcements_version) do nothing
            """,
            outcomes,
        )
    return found


def _slices(object_ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(object_ids), TRANSCRIPTS_PER_COMMIT):
        yield object_ids[start : start + TRANSCRIPTS_PER_COMMIT]


def _hit_rows(sha: str, hits: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Rows for facts.phrase_hits; hits of one rule are numbered in order of time."""
    numbers: dict[str, int] = {}
    rows = []
    for hit in hits:
        number = numbers.get(hit.rule_hash, 0)
        numbers[hit.rule_hash] = number + 1
        rows.append(
            (
                sha, hit.rule_hash, number, hit.rule_id, hit.kind, hit.condition, hit.role,
                hit.start_ms, hit.end_ms, hit.segment_index, hit.segment_end_index,
                hit.char_start, hit.char_end, hit.text, hit.context, hit.severity, hit.points,
                _said_moment(hit),
            )
        )  # fmt: skip
    return rows


def _said_moment(hit: Any) -> Jsonb | None:
    """The time named where somebody asks to be called back: in the hit, else around it."""
    from ml.phrases.moments import spoken_moment

    if hit.rule_id != CALL_BACK_SIGNAL or hit.kind == "missing":
        return None
    moment = spoken_moment(hit.text or "") or spoken_moment(hit.context or "")
    return Jsonb(moment.as_item()) if moment else None


def _keep_hits(
    connection: Connection[Any],
    transcripts: Sequence[str],
    rule_hashes: Sequence[str],
    rows: list[tuple[Any, ...]],
) -> int:
    """Make `rows` the hits of these rules in these transcripts; how many were not there yet.

    Hits of other rules stay: a version of a rule that is no longer sent was right at its time.
    """
    # By name: how a row came (columns that begin with an underscore) is not part of a hit.
    names = sql.SQL(", ").join(map(sql.Identifier, HIT_COLUMNS))
    own = sql.SQL(", ").join(sql.Identifier("hits", name) for name in HIT_COLUMNS)
    connection.execute("create temporary table new_hits (like facts.phrase_hits) on commit drop")
    copy_rows(connection, "new_hits", HIT_COLUMNS, rows)
    connection.execute(
        sql.SQL(
            """
            delete from facts.phrase_hits as hits
            where hits.transcript_sha256 = any(%s) and hits.rule_hash = any(%s)
                and not exists (
                    select {own} intersect select {names} from new_hits
                    where new_hits.transcript_sha256 = hits.transcript_sha256
                        and new_hits.rule_hash = hits.rule_hash
                        and new_hits.hit_index = hits.hit_index
                )
            """
        ).format(own=own, names=names),
        (list(transcripts), list(rule_hashes)),
    )
    return connection.execute(
        sql.SQL(
            "insert into facts.phrase_hits ({names}) select {names} from new_hits"
            " on conflict do nothing"
        ).format(names=names)
    ).rowcount
