"""Hearing a batch: recordings from the bucket → `ml.inspection` → rows of the facts schema."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from callmart.landing import FileError, ObjectStore, load_mappings, quarantine_file
from callmart.landing.store import ObjectGoneError
from callmart.recordings.emotion_models import (
    analysis_version,
    baseline_row,
    model_named,
    models_in_force,
    trial_version,
)
from callmart.settings import Settings
from callmart.warehouse import connect, copy_rows

if TYPE_CHECKING:
    from ml.emotion import EmotionModel
    from ml.inspection import Inspection

log = logging.getLogger(__name__)

RECORDING_COLUMNS = (
    "content_hash", "analyser_version", "outcome", "is_answered", "is_connected", "confidence",
    "reason", "duration_seconds", "sample_rate_hz", "channels", "codec", "ring_seconds",
    "answered_at_seconds", "first_tone_seconds", "silence_seconds",
    "mutual_silence_over_3s_seconds", "overlap_seconds", "interruptions",
    "interruptions_by_agent", "interruptions_by_customer", "response_seconds_median",
    "agent_response_seconds_median", "customer_response_seconds_median", "notes",
    "processing_seconds", "outcome_by_country", "is_separated", "separation_confidence",
    "separation",
)  # fmt: skip
EVIDENCE_COLUMNS = (
    "content_hash", "analyser_version", "evidence_index", "kind", "start_seconds", "end_seconds",
    "detail",
)  # fmt: skip
SIDE_COLUMNS = (
    "content_hash", "analyser_version", "side", "talk_seconds", "turns", "longest_turn_seconds",
    "first_speech_seconds",
)  # fmt: skip
TURN_COLUMNS = (
    "content_hash", "analyser_version", "turn_index", "side", "start_seconds", "end_seconds",
)  # fmt: skip
EMOTION_COLUMNS = (
    "content_hash", "analyser_version", "side", "family", "model_version", "label",
    "probability_angry", "probability_happy", "probability_neutral", "probability_sad", "arousal",
    "valence", "emotion_index", "start_index", "end_index", "peak_index", "trend_per_minute",
    "speech_seconds", "segment_start_seconds", "segment_end_seconds", "segment_speech_seconds",
    "segment_probabilities", "segment_parameters", "segment_relative_scores",
)  # fmt: skip

FILES_SQL = """
select distinct on (links.content_hash)
    links.content_hash,
    whole.object_id, whole.object_key, whole.extension, whole.content_sha256,
    agent.object_id, agent.object_key, agent.extension, agent.content_sha256,
    customer.object_id, customer.object_key, customer.extension, customer.content_sha256,
    objects.source
from facts.call_recordings as links
left join raw.recordings as whole on links.object_id = whole.object_id
left join raw.recordings as agent on links.agent_object_id = agent.object_id
left join raw.recordings as customer on links.customer_object_id = customer.object_id
left join ops.objects on links.object_id = objects.object_id
where links.content_hash = any(%s)
order by links.content_hash, links.object_key
"""


@dataclass(frozen=True)
class AnalysisSummary:
    """What one batch did, in recordings.

    `unreadable` are among those heard; `gone` were deleted or overwritten in the bucket since they
    were entered, `already_there` were heard by somebody else meanwhile.
    """

    heard: int
    unreadable: int
    gone: int
    already_there: int
    audio_seconds: float


@dataclass(frozen=True)
class _Part:
    """One file of a recording; `sha256` is of its content when it was entered."""

    object_id: int
    key: str
    extension: str
    sha256: str


@dataclass(frozen=True)
class RecordingFiles:
    """The objects of one recording: one file, or a side each."""

    content_hash: str
    whole: _Part | None
    agent: _Part | None
    customer: _Part | None
    source: str | None

    @property
    def parts(self) -> dict[str, _Part]:
        """The parts by the argument of `inspect_recording`; a side alone is heard as one file."""
        if self.agent is not None and self.customer is not None:
            return {"agent_path": self.agent, "customer_path": self.customer}
        alone = self.whole or self.agent or self.customer
        return {"path": alone} if alone is not None else {}


def _part(values: Sequence[Any]) -> _Part | None:
    return None if values[0] is None else _Part(*values)


def recording_files(
    connection: Connection[Any], content_hashes: Sequence[str]
) -> list[RecordingFiles]:
    rows = connection.execute(FILES_SQL, (list(content_hashes),)).fetchall()
    return [
        RecordingFiles(row[0], _part(row[1:5]), _part(row[5:9]), _part(row[9:13]), row[13])
        for row in rows
    ]


def fetch_recording(store: ObjectStore, files: RecordingFiles, folder: Path) -> dict[str, Path]:
    """Download a recording's files; local paths by the argument of `inspect_recording`.

    Raises ObjectGoneError where a key holds nothing, or other content than when it was entered: its
    facts must not be kept under the hash of what was there before.
    """
    paths = {}
    for name, part in files.parts.items():
        path = folder / f"{part.object_id}.{part.extension}"
        store.download(part.key, path)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != part.sha256:
                raise ObjectGoneError("overwritten", "overwritten before it was heard")
        paths[name] = path
    return paths


def _inspections(
    settings: Settings,
    recordings: Sequence[RecordingFiles],
    folder: Path,
    models: Mapping[str, EmotionModel],
) -> Iterator[tuple[RecordingFiles, Inspection | ObjectGoneError]]:
    """Hear one recording while the next one is fetched; what is gone comes as its error."""
    from ml.inspection import inspect_recording

    store, mappings = ObjectStore(settings), load_mappings(settings)
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting: list[Future[dict[str, Path]]] = [
            pool.submit(fetch_recording, store, files, folder) for files in recordings[:2]
        ]
        for number, files in enumerate(recordings):
            fetched = waiting.pop(0)
            if number + 2 < len(recordings):
                waiting.append(pool.submit(fetch_recording, store, recordings[number + 2], folder))
            try:
                paths = fetched.result()
            except ObjectGoneError as error:
                yield files, error
                continue
            yield (
                files,
                inspect_recording(
                    path=paths.get("path"),
                    agent_path=paths.get("agent_path"),
                    customer_path=paths.get("customer_path"),
                    agent_channel=mappings.agent_channel(files.source),
                    emotion_models=models,
                ),
            )
            for path in paths.values():
                path.unlink()


def analyze_batch(settings: Settings, content_hashes: Sequence[str]) -> AnalysisSummary:
    """Hear the recordings and commit their facts in one transaction.

    A recording that cannot be read gets the outcome `unreadable` with its reason, and its file goes
    to the quarantine; one that is gone from the bucket goes there without any facts. Raises what
    the bucket or the warehouse raised; nothing is half written.
    """
    from threadpoolctl import threadpool_limits

    models = models_in_force(settings)
    version = analysis_version(models)
    with connect(settings) as connection:
        recordings = recording_files(connection, content_hashes)
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES}
    refused: list[tuple[RecordingFiles, FileError]] = []
    audio_seconds = 0.0
    # A task is a core's work: the threads of linear algebra would only get in the other tasks' way.
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="callmart-") as folder:
        for files, inspection in _inspections(settings, recordings, Path(folder), models):
            if isinstance(inspection, ObjectGoneError):
                refused.append((files, inspection))
                continue
            audio_seconds += inspection.report.get("duration_seconds") or 0.0
            if inspection.report["outcome"] == "unreadable":
                refused.append((files, FileError("audio", inspection.report["reason"])))
            _add_rows(rows, files.content_hash, version, inspection)
    with connect(settings) as connection:
        # Whoever holds the lock writes; the other one then sees what is there and leaves it alone.
        connection.execute("select pg_advisory_xact_lock(hashtext('callmart.facts'))")
        there = {
            row[0]
            for row in connection.execute(
                "select content_hash from facts.recordings"
                " where analyser_version = %s and content_hash = any(%s)",
                (version, list(content_hashes)),
            )
        }
        for table, columns in _TABLES.items():
            new = [row for row in rows[table] if row[0] not in there]
            copy_rows(connection, f"facts.{table}", columns, new)
        _keep_baselines(connection, models.values())
        refused = [item for item in refused if item[0].content_hash not in there]
        for files, error in refused:
            for part in files.parts.values():
                quarantine_file(connection, part.object_id, error.rule, error.reason)
    gone = sum(isinstance(error, ObjectGoneError) for _, error in refused)
    return AnalysisSummary(
        heard=len(recordings) - len(there) - gone,
        unreadable=len(refused) - gone,
        gone=gone,
        already_there=len(there),
        audio_seconds=round(audio_seconds, 1),
    )


def judge_batch(settings: Settings, model_version: str, content_hashes: Sequence[str]) -> int:
    """Judge the voices of recordings by an emotion model that is not in force; rows added.

    The facts of those in force stay what they are: these stand beside them under a version of their
    own, and judge the calls of the days to which somebody pins the model. Recordings that are gone
    from the bucket are left out. Raises LookupError or ModelError for a model that cannot be used.
    """
    from threadpoolctl import threadpool_limits

    model = model_named(settings, model_version)
    models: dict[str, EmotionModel] = {str(model.family): model}
    version = trial_version(model)
    with connect(settings) as connection:
        recordings = recording_files(connection, content_hashes)
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TABLES}
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="callmart-") as folder:
        for files, inspection in _inspections(settings, recordings, Path(folder), models):
            if isinstance(inspection, ObjectGoneError):
                log.warning("%s: %s", files.content_hash, inspection)
                continue
            _add_rows(rows, files.content_hash, version, inspection)
    with connect(settings) as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('callmart.facts'))")
        there = {
            row[0]
            for row in connection.execute(
                "select content_hash from facts.emotions"
                " where model_version = %s and content_hash = any(%s)",
                (model_version, list(content_hashes)),
            )
        }
        new = [row for row in rows["emotions"] if row[0] not in there]
        copy_rows(connection, "facts.emotions", EMOTION_COLUMNS, new)
        _keep_baselines(connection, [model])
    return len(new)


def _keep_baselines(connection: Connection[Any], models: Iterable[EmotionModel]) -> None:
    """Keep how each model that judged reads a speaker's scores against their earlier ones."""
    rows = [row for row in map(baseline_row, models) if row is not None]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into facts.emotion_baselines"
            " (model_version, population, bias, temperature, strength)"
            " values (%s, %s, %s, %s, %s) on conflict (model_version) do nothing",
            rows,
        )


_TABLES = {
    "recordings": RECORDING_COLUMNS,
    "recording_evidence": EVIDENCE_COLUMNS,
    "speech_sides": SIDE_COLUMNS,
    "speech_turns": TURN_COLUMNS,
    "emotions": EMOTION_COLUMNS,
}


def _add_rows(
    rows: dict[str, list[tuple[Any, ...]]],
    content_hash: str,
    version: str,
    inspection: Inspection,
) -> None:
    """Append what one inspection says to the rows of each facts table."""
    key = (content_hash, version)
    report = inspection.report
    speech = report.get("speech") or {}
    interruptions = inspection.interruptions or {}
    separation = inspection.separation or {}
    rows["recordings"].append(
        (
            *key,
            report["outcome"],
            report.get("is_answered"),
            report.get("is_connected"),
            report.get("confidence"),
            report.get("reason"),
            report.get("duration_seconds"),
            report.get("sample_rate_hz"),
            report.get("channels"),
            inspection.codec,
            report.get("ring_seconds"),
            report.get("answered_at_seconds"),
            inspection.first_tone_seconds,
            speech.get("silence_seconds"),
            inspection.mutual_silence_over_3s_seconds,
            speech.get("overlap_seconds"),
            speech.get("interruptions"),
            interruptions.get("agent"),
            interruptions.get("customer"),
            speech.get("response_seconds_median"),
            inspection.response_medians.get("agent"),
            inspection.response_medians.get("customer"),
            Jsonb(list(inspection.notes)),
            inspection.processing_seconds,
            Jsonb(inspection.outcome_by_country),
            separation.get("are_sides_named"),
            separation.get("purity"),
            Jsonb(inspection.separation) if inspection.separation is not None else None,
        )
    )
    for number, item in enumerate(report.get("evidence", [])):
        rows["recording_evidence"].append(
            (*key, number, item["kind"], item["start_seconds"], item["end_seconds"], item["detail"])
        )
    for side, figures in inspection.sides.items():
        rows["speech_sides"].append(
            (
                *key,
                side,
                figures["talk_seconds"],
                figures["turns"],
                figures["longest_turn_seconds"],
                figures["first_speech_seconds"],
            )
        )
    for number, (side, start, end) in enumerate(inspection.turns):
        rows["speech_turns"].append((*key, number, side, start, end))
    judged = [
        (side, emotion)
        for side, by_family in inspection.emotions_by_family.items()
        for emotion in by_family.values()
    ]
    for side, emotion in judged:
        rows["emotions"].append(
            (
                *key,
                side,
                emotion.family,
                emotion.model_version,
                emotion.label,
                *_probabilities(emotion.probabilities),
                emotion.arousal,
                emotion.valence,
                emotion.index,
                emotion.start_index,
                emotion.end_index,
                emotion.peak_index,
                emotion.trend_per_minute,
                emotion.speech_seconds,
                [segment.start_seconds for segment in emotion.segments],
                [segment.end_seconds for segment in emotion.segments],
                [segment.speech_seconds for segment in emotion.segments],
                [list(_probabilities(segment.probabilities)) for segment in emotion.segments],
                [segment.parameters for segment in emotion.segments],
                [segment.relative_scores for segment in emotion.segments],
            )
        )


def _probabilities(by_label: dict[str, float]) -> tuple[float, float, float, float]:
    return by_label["angry"], by_label["happy"], by_label["neutral"], by_label["sad"]
