"""The steps that the DAGs wire: one function a task, each safe to kill and to run again.

Heavy imports stay inside, so that a DAG file parses fast. XCom carries keys, never data.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from callmart.settings import Settings

log = logging.getLogger(__name__)

OBJECTS_PER_BATCH = 200
"""Objects that one mapped load task takes; extracts are few, recordings are only entered."""


def fail(message: str) -> None:
    """Fail this task for good, so that its run counts as failed."""
    raise AirflowFailException(message)


def discover_objects() -> list[dict[str, Any]]:
    """Enter new objects of the bucket in the ledger; batches of object ids that wait for loading."""
    from callmart.landing import MappingError, discover

    settings = Settings.from_environment().as_loader()
    try:
        batches: list[dict[str, Any]] = discover(settings, OBJECTS_PER_BATCH)
    except MappingError as error:
        # No retry mends a mapping.
        raise AirflowFailException(f"a source mapping is refused: {error}") from error
    batches += _loaded_aside(settings)
    if not batches:
        raise AirflowSkipException("nothing new in the bucket")
    return batches


UNANNOUNCED_SQL = """
select distinct on (kind) object_id, kind from ops.objects
where status = 'loaded' and finished_at > (
    select max(started_at) from ops.step_runs
    where dag_id = 'ingest_landing' and task_id in ('announce_rows', 'announce_recordings')
)
order by kind, object_id
"""


def _loaded_aside(settings: Settings) -> list[dict[str, Any]]:
    """A batch for what was loaded since the last announcement, by a requeue or beside a failure.

    Loading skips it; it is there to be announced, so that the marts are built.
    """
    from callmart.warehouse import connect

    with connect(settings) as connection:
        found = connection.execute(UNANNOUNCED_SQL).fetchall()
    if not found:
        return []
    kinds = ", ".join(kind for _, kind in found)
    return [{"object_ids": [object_id for object_id, _ in found], "label": f"announce {kinds}"}]


def load_objects(object_ids: list[int]) -> None:
    """Load the objects; raises when some failed for another reason than their content."""
    from callmart.landing import load_objects as load

    summary = load(Settings.from_environment().as_loader(), object_ids)
    log.info("%s", summary)
    if summary.failed:
        raise AirflowException(f"{summary.failed} objects could not be loaded: {summary}")


def announce_rows(batches: list[dict[str, Any]] | None) -> None:
    """Skip (and so send no event) unless rows were loaded that no analysis will announce.

    Rows that came with recordings or transcripts are built together with their facts: the analysis
    announces both when it ends, however it ends.
    """
    loaded = _loaded_kinds(batches)
    if "crm" not in loaded:
        raise AirflowSkipException("no row was loaded")
    if loaded & {"recording", "transcript"}:
        raise AirflowSkipException("the analysis that follows announces these rows with its facts")


def announce_recordings(batches: list[dict[str, Any]] | None) -> None:
    """Skip (and so send no event) unless recordings or transcripts were loaded."""
    if not _loaded_kinds(batches) & {"recording", "transcript"}:
        raise AirflowSkipException("no recording and no transcript was loaded")


def _loaded_kinds(batches: list[dict[str, Any]] | None) -> set[str]:
    from callmart.warehouse import connect

    object_ids = [i for batch in batches or [] for i in batch["object_ids"]]
    with connect(Settings.from_environment().as_loader()) as connection:
        rows = connection.execute(
            "select distinct kind from ops.objects where object_id = any(%s) and status = 'loaded'",
            (object_ids,),
        ).fetchall()
    return {kind for (kind,) in rows}


def plan_batches() -> list[dict[str, Any]]:
    """Link recordings to calls; batches of those that this analyser has not heard yet."""
    from callmart.recordings import plan_batches as plan

    return plan(Settings.from_environment().as_loader())


def analyze_batch(content_hashes: list[str], model_version: str | None = None) -> None:
    """Hear a batch of recordings and commit its facts; with `model_version`, what the model that is
    pinned to their days says of the voices."""
    from callmart.recordings import analyze_batch as analyze

    if model_version is not None:
        judge_batch(model_version, content_hashes)
        return
    log.info("%s", analyze(Settings.from_environment().as_loader(), content_hashes))


def match_phrases() -> None:
    """Search the transcripts that the rules in force have not searched yet."""
    from callmart.recordings import match_phrases as match

    log.info("%s", match(Settings.from_environment().as_loader()))


def plan_recognition() -> list[dict[str, Any]]:
    """Batches of recordings whose calls have no transcript and whose speech is to be recognised."""
    from callmart.recordings import plan_recognition as plan
    from ml.transcripts.recognisers import RecogniserError

    try:
        batches = plan(Settings.from_environment().as_loader())
    except RecogniserError as error:
        # No retry mends a setting.
        raise AirflowFailException(f"CALLMART_SPEECH_MODELS: {error}") from error
    if not batches:
        raise AirflowSkipException("no speech model, or nothing to recognise")
    return batches


def recognise_batch(content_hashes: list[str]) -> None:
    """Recognise the speech of a batch of recordings."""
    from callmart.recordings import recognise_batch as recognise

    log.info("%s", recognise(Settings.from_environment().as_loader(), content_hashes))


def plan_corpora(corpus: str | None) -> list[dict[str, Any]]:
    """The labelled corpora to learn from: `corpus`, or all that the bucket holds."""
    from callmart.recordings import corpora

    found = corpora(Settings.from_environment().as_loader())
    if corpus is not None and corpus not in found:
        raise AirflowFailException(
            f"training/emotion/{corpus}/manifest.csv is not in the bucket; there are: {found}"
        )
    if not found:
        raise AirflowSkipException("the bucket holds no training/emotion/<corpus>/manifest.csv")
    return [{"corpus": name, "label": name} for name in ([corpus] if corpus else found)]


def train_corpus(corpus: str) -> None:
    """Train all families on a corpus and propose the models."""
    from callmart.recordings import TrainingError, train_models

    try:
        log.info("%s", train_models(Settings.from_environment().as_loader(), corpus))
    except TrainingError as error:
        # No retry mends a manifest.
        raise AirflowFailException(str(error)) from error


def validate(layer: str) -> None:
    """Run the expectation suites of `layer`; a suite that fails fails the task, without retry."""
    from callmart.warehouse.expectations import validate as run

    outcome = run(Settings.from_environment().as_transformer(), layer)
    if not outcome.success:
        raise AirflowFailException("\n".join(["expectations failed:", *outcome.failures]))
    log.info("%s", outcome)


def build_models(full_refresh: bool = False) -> None:
    """Build staging, intermediate and marts with their tests: what changed, or everything."""
    from callmart.warehouse.dbt import build

    settings = Settings.from_environment().as_transformer()
    result = build(settings, unit_tests=False, full_refresh=full_refresh)
    for node in sorted(result.nodes, key=lambda node: -node.seconds):
        log.info("%6.2f s %s %s %s", node.seconds, node.status, node.resource_type, node.name)
    log.info("%d nodes in %.1f s: %s", len(result.nodes), result.seconds, result.plan)


def plan_reports(period: str | None) -> list[dict[str, Any]]:
    """The reports that are due: of a period, or of every closed one that was not reported yet."""
    from callmart.reports import parse, plan

    return plan(Settings.from_environment(), parse(period) if period else None)


def publish_report(report: dict[str, Any]) -> None:
    """Make one report, put it into the bucket and mail it to those who do not have it."""
    from callmart.reports import publish

    log.info("%s", publish(Settings.from_environment(), report))


def publish_documentation() -> None:
    """Put dbt's documentation into the bucket where it does not show the project as it is."""
    from callmart.warehouse.dbt_docs import publish_documentation as publish

    publish(Settings.from_environment().as_transformer())


def write_feeds() -> None:
    """Tell the CRM what changed."""
    from callmart.writeback import TargetError
    from callmart.writeback import write_feeds as write

    try:
        summaries = write(Settings.from_environment())
    except TargetError as error:
        # No retry mends a file.
        raise AirflowFailException(f"CALLMART_CRM_TARGETS: {error}") from error
    for summary in summaries:
        log.info("%s", summary)


def request_replay(
    first: str, last: str, rules: str | None, weights: str | None, model: str | None
) -> int:
    """Enter a replay of these business days under these versions; its number."""
    from callmart.replay import Kind, UnknownVersionError, request

    asked: dict[Kind, str | None] = {"rules": rules, "weights": weights, "model": model}
    wanted: dict[Kind, str] = {kind: version for kind, version in asked.items() if version}
    try:
        replay = request(
            Settings.from_environment(), date.fromisoformat(first), date.fromisoformat(last), wanted
        )
    except (UnknownVersionError, ValueError) as error:
        # No retry mends a parameter.
        raise AirflowFailException(str(error)) from error
    log.info("replay %s: %s to %s under %s", replay.replay_id, first, last, replay.versions)
    return replay.replay_id


def search_for_replay(replay_id: int) -> None:
    """Search the range's transcripts for what the replay's rules need."""
    from callmart.replay import get, search

    settings = Settings.from_environment()
    search(settings, get(settings, replay_id))


def plan_judging(replay_id: int) -> list[dict[str, Any]]:
    """Batches of the range's recordings in which the replay's model has not judged the voices yet."""
    from callmart.replay import get
    from callmart.replay import plan_judging as plan

    settings = Settings.from_environment()
    batches = plan(settings, get(settings, replay_id))
    if not batches:
        raise AirflowSkipException("no other model, or it has judged all voices already")
    return batches


def judge_batch(model_version: str, content_hashes: list[str]) -> None:
    """Judge the voices of a batch of recordings by a model beside the one in force."""
    from callmart.recordings import judge_batch as judge

    rows = judge(Settings.from_environment().as_loader(), model_version, content_hashes)
    log.info("%d sides judged by %s", rows, model_version)


def build_replay(replay_id: int) -> None:
    """Build the replay beside the marts, and put the page of what differs into the bucket."""
    from callmart.replay import make, publish_pages, verdict

    settings = Settings.from_environment()
    replay = make(settings, replay_id)
    for sentence in verdict(replay, "en"):
        log.info("%s", sentence)
    for place in publish_pages(settings, replay):
        log.info("page: %s", place)
    log.info("callmart replay promote %s · callmart replay discard %s", replay_id, replay_id)


def update_alerts() -> None:
    """Open and close alerts."""
    from callmart.health import update_alerts as update

    log.info("%s", update(Settings.from_environment()))


def tell_alerts() -> None:
    """Tell people of the alerts that are new to them."""
    from callmart.health import tell_alerts as tell

    log.info("%d alerts told", tell(Settings.from_environment()))
