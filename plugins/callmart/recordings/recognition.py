"""Recordings without a delivered transcript → recognised ones, by the speech models of a folder."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from callmart.landing import ObjectStore, load_mappings, quarantine_file
from callmart.landing.store import ObjectGoneError
from callmart.recordings.analysis import RecordingFiles, fetch_recording, recording_files
from callmart.recordings.planning import batching
from callmart.settings import Settings
from callmart.warehouse import connect, copy_rows

if TYPE_CHECKING:
    from ml.audio import Recording
    from ml.transcripts.recognisers import SpeechModel
    from ml.transcripts.recognition import Recognition

log = logging.getLogger(__name__)

SEGMENT_COLUMNS = (
    "recognition_id", "segment_index", "role", "start_ms", "end_ms", "text", "words", "speaker",
)  # fmt: skip

# The call's recording is the one delivered last. Only what was picked up holds words worth the cost,
# and a call whose transcript was delivered has them.
UNRECOGNISED_SQL = """
with current as (
    select distinct on (call_id) call_id, content_hash, delivered_on,
        object_id, agent_object_id, customer_object_id
    from facts.call_recordings
    order by call_id, delivered_on desc, object_key desc
),
heard as (
    select distinct on (content_hash) content_hash, analyser_version, is_answered
    from facts.recordings
    order by content_hash, analysed_at desc, analyser_version desc
)
select current.content_hash, sum(sides.talk_seconds) / count(distinct current.call_id)
from current
inner join heard using (content_hash)
inner join facts.speech_sides as sides using (content_hash, analyser_version)
where heard.is_answered
    and not exists (select from raw.transcripts where transcripts.call_id = current.call_id)
    and not exists (
        select from facts.recognitions
        where recognitions.content_hash = current.content_hash
            and recognitions.speech_version = %s
    )
    and not exists (
        select from ops.quarantine
        where quarantine.object_id in
                (current.object_id, current.agent_object_id, current.customer_object_id)
            and quarantine.rule in ('overwritten', 'vanished') and quarantine.status = 'open'
    )
group by current.content_hash
having sum(sides.talk_seconds) > 0
-- What nobody has recognised yet does not wait behind what new models recognise again.
order by
    exists (
        select from facts.recognitions where recognitions.content_hash = current.content_hash
    ),
    min(current.delivered_on),
    current.content_hash
"""

TURNS_SQL = """
select turns.side, turns.start_seconds, turns.end_seconds
from facts.speech_turns as turns
where turns.content_hash = %(hash)s
    and turns.analyser_version = (
        select analyser_version from facts.recordings
        where content_hash = %(hash)s
        order by analysed_at desc, analyser_version desc
        limit 1
    )
order by turns.turn_index
"""


@dataclass(frozen=True)
class RecognitionSummary:
    """What one batch did, in recordings.

    understood: those with words; `gone` were deleted or overwritten in the bucket since they were
    entered; `already_there` were recognised by somebody else meanwhile
    """

    recognised: int
    understood: int
    gone: int
    already_there: int
    audio_seconds: float
    cpu_seconds: float


def speech_models(settings: Settings) -> list[SpeechModel]:
    """The speech models of the settings' folder that can be used; what cannot is logged.

    Raises RecogniserError where the folder is none.
    """
    from ml.transcripts import recognisers

    models, faults = recognisers.usable_models(settings.speech_models)
    for fault in faults:
        log.warning("%s cannot be used: %s", fault.folder, fault.reason)
    return models


def plan_recognition(settings: Settings) -> list[dict[str, Any]]:
    """Parcels of recordings to be recognised (`label`, `content_hashes`); none without a model.

    Those of answered calls without a delivered transcript that these models have not recognised,
    parcelled by how long is spoken in them.
    """
    models = speech_models(settings)
    if not models:
        return []
    from ml.transcripts.recognition import speech_version

    with connect(settings) as connection:
        rows = connection.execute(UNRECOGNISED_SQL, (speech_version(models),)).fetchall()
    most = batching()["speech_seconds_per_batch"]
    parcels: list[tuple[list[str], float]] = []
    for content_hash, seconds in rows:
        if not parcels or parcels[-1][1] + seconds > most:
            parcels.append(([], 0.0))
        hashes, total = parcels[-1]
        parcels[-1] = ([*hashes, content_hash], total + seconds)
    return [
        {
            "label": f"{number}: {len(hashes)} recordings, {round(seconds / 60)} min of speech",
            "content_hashes": hashes,
        }
        for number, (hashes, seconds) in enumerate(parcels, start=1)
    ]


def recognise_batch(settings: Settings, content_hashes: Sequence[str]) -> RecognitionSummary:
    """Recognise the recordings, one a commit: killed and run again it goes on where it was.

    Raises what the bucket or the warehouse raised, RecogniserError where a model cannot be loaded.
    """
    from ml.transcripts.recognition import Transcriber

    transcriber = Transcriber(speech_models(settings), settings.speech_threads)
    store, mappings = ObjectStore(settings), load_mappings(settings)
    with connect(settings) as connection:
        recordings = recording_files(connection, content_hashes)
    counts = dict.fromkeys(("recognised", "understood", "gone", "already_there"), 0)
    audio_seconds = cpu_seconds = 0.0
    for files in recordings:
        with connect(settings) as connection:
            if _is_there(connection, files.content_hash, transcriber.version):
                counts["already_there"] += 1
                continue
            turns = connection.execute(TURNS_SQL, {"hash": files.content_hash}).fetchall()
        with tempfile.TemporaryDirectory(prefix="callmart-") as folder:
            try:
                paths = fetch_recording(store, files, Path(folder))
            except ObjectGoneError as error:
                counts["gone"] += 1
                _quarantine(settings, files, error)
                continue
            recording = _decoded(paths, mappings.agent_channel(files.source))
            # The recording is all that the text depends on: of which call it is, is told by its links.
            found = transcriber.transcribe(files.content_hash, recording, turns)
        with connect(settings) as connection:
            is_new = _keep(connection, files.content_hash, transcriber.version, found)
        counts["recognised" if is_new else "already_there"] += 1
        counts["understood"] += is_new and bool(found.transcript.segments)
        audio_seconds += found.duration_seconds
        cpu_seconds += found.cpu_seconds
    return RecognitionSummary(
        **counts, audio_seconds=round(audio_seconds, 1), cpu_seconds=round(cpu_seconds, 1)
    )


def _decoded(paths: dict[str, Path], agent_channel: int) -> Recording:
    """The recording as it was heard: row 0 the agent, row 1 the customer, or one row."""
    from ml.audio import decode, merge

    if "path" not in paths:
        return merge(decode(paths["agent_path"]), decode(paths["customer_path"]))
    recording = decode(paths["path"])
    if agent_channel == 1:
        recording = replace(recording, samples=recording.samples[::-1])
    return recording


def _is_there(connection: Connection[Any], content_hash: str, version: str) -> bool:
    row = connection.execute(
        "select 1 from facts.recognitions where content_hash = %s and speech_version = %s",
        (content_hash, version),
    ).fetchone()
    return row is not None


def _quarantine(settings: Settings, files: RecordingFiles, error: ObjectGoneError) -> None:
    with connect(settings) as connection:
        for part in files.parts.values():
            quarantine_file(connection, part.object_id, error.rule, error.reason)


def _keep(connection: Connection[Any], content_hash: str, version: str, found: Recognition) -> bool:
    """Write one recognition with its segments; False where it was there already."""
    transcript = found.transcript
    row = connection.execute(
        """
        insert into facts.recognitions
            (content_hash, speech_version, transcript_sha256, engine, language, language_found,
             segments, problems, duration_seconds, speech_seconds, processing_seconds,
             cpu_seconds, realtime_factor)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (content_hash, speech_version) do nothing
        returning recognition_id
        """,
        (
            content_hash, version,
            hashlib.sha256(f"recognised\n{content_hash}\n{version}".encode()).hexdigest(),
            transcript.engine, transcript.language, found.language_found,
            len(transcript.segments), Jsonb(list(transcript.problems)), found.duration_seconds,
            found.speech_seconds, found.processing_seconds, found.cpu_seconds,
            found.realtime_factor,
        ),
    ).fetchone()  # fmt: skip
    if row is None:
        return False
    rows = [
        (
            row[0], segment.index, segment.role, segment.start_ms, segment.end_ms, segment.text,
            Jsonb([asdict(word) for word in segment.words]) if segment.words else None,
            segment.speaker,
        )
        for segment in transcript.segments
    ]  # fmt: skip
    copy_rows(connection, "facts.recognised_segments", SEGMENT_COLUMNS, rows)
    return True
