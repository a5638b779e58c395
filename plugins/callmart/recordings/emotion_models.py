"""The emotion models that judge, and those that were trained here.

A labelled corpus is a folder of the bucket, `training/emotion/<corpus>/` with `manifest.csv` and its
audio. Training proposes a model of each family (`ops.emotion_models`, files below `models/emotion/`
in the bucket); a person puts one in force. Where none of a family is, the one that comes with
callmart judges.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from callmart.landing import ObjectStore, quarantine_file
from callmart.landing.store import ListedObject
from callmart.settings import Settings
from callmart.warehouse import connect

if TYPE_CHECKING:
    from ml.emotion import EmotionModel
    from ml.emotion.corpus import RowFault
    from ml.emotion.training import Candidate

log = logging.getLogger(__name__)

CORPORA = "training/emotion/"
MODELS = "models/emotion/"
MANIFEST = "manifest.csv"
SHIPPED = "shipped:"


class TrainingError(RuntimeError):
    """A corpus cannot be learnt from; the message names the manifest, its rows and the rules."""


@dataclass(frozen=True)
class TrainingSummary:
    """What one training did: versions proposed by family, rows used and left out."""

    corpus: str
    proposed: dict[str, str]
    passed: list[str]
    rows_used: int
    rows_left_out: int


def models_in_force(settings: Settings) -> dict[str, EmotionModel]:
    """The models that judge, by family, of the families that the settings keep.

    A model in force whose files cannot be used (another version of callmart computes other
    features, say) is passed over, with a warning, for the one that comes with callmart, and where
    that is broken too the family is left out: it costs emotion and not the hearing. Facts name the
    version that judged. Raises ValueError for a family that there is not.
    """
    from ml.emotion import FAMILIES, ModelError, load_model

    unknown = set(settings.emotion_families) - set(FAMILIES)
    if unknown:
        raise ValueError(
            f"CALLMART_EMOTION_FAMILIES: {', '.join(sorted(unknown))} is none of"
            f" {', '.join(FAMILIES)}"
        )
    with connect(settings) as connection:
        promoted: dict[str, str] = dict(
            connection.execute(
                "select family, folder from ops.emotion_models where status = 'in_force'"
            ).fetchall()
        )
    models = {}
    for family in settings.emotion_families:
        for folder in (promoted.get(family), None):
            try:
                models[family] = (
                    _fetched(settings, family, folder) if folder else load_model(family)
                )
                break
            except ModelError as error:
                log.warning("a model of family %s cannot be used: %s", family, error)
    return models


def model_named(settings: Settings, model_version: str) -> EmotionModel:
    """A model by its version: trained here, whatever its status, or one that comes with callmart.

    Raises LookupError where there is none, ModelError where its files cannot be used.
    """
    from ml.emotion import FAMILIES, ModelError, load_model

    with connect(settings) as connection:
        row = connection.execute(
            "select family, folder from ops.emotion_models where model_version = %s",
            (model_version,),
        ).fetchone()
    if row is not None:
        return _fetched(settings, *row)
    for family in FAMILIES:
        try:
            model = load_model(family)
        except ModelError:
            continue
        if model.version == model_version:
            return model
    raise LookupError(f"no emotion model {model_version} is at hand")


def trial_version(model: EmotionModel) -> str:
    """Version under which facts of a model are kept that judged beside those in force."""
    from ml.inspection import ANALYSER_VERSION

    trial = f"beside\n{model.version}"
    return f"{ANALYSER_VERSION}.{hashlib.sha256(trial.encode()).hexdigest()[:8]}"


def _fetched(settings: Settings, family: str, prefix: str) -> EmotionModel:
    """A model from the bucket; its files are checked against its version as they are read."""
    from ml.emotion import load_model

    store = ObjectStore(settings)
    with tempfile.TemporaryDirectory(prefix="callmart-") as folder:
        for suffix in ("npz", "json"):
            path = Path(folder) / f"{family}.{suffix}"
            store.download(f"{prefix}{path.name}", path)
        return load_model(family, Path(folder))


def analysis_version(models: Mapping[str, EmotionModel]) -> str:
    """Version under which facts are kept: of the analyser, and of the emotion models beside it."""
    from ml.inspection import ANALYSER_VERSION

    judges = "\n".join(sorted(model.version for model in models.values()))
    return f"{ANALYSER_VERSION}.{hashlib.sha256(judges.encode()).hexdigest()[:8]}"


def baseline_row(model: EmotionModel) -> tuple[Any, ...] | None:
    """Row of facts.emotion_baselines: how the model reads a speaker's scores; None: it does not."""
    from ml.emotion import labels

    said = model.card.get("speaker_baseline")
    if said is None:
        return None
    population = dict(zip(model.labels, said["population"], strict=True))
    bias = dict(zip(model.labels, said["bias"], strict=True))
    return (
        model.version,
        [float(population.get(label, 0.0)) for label in labels()],
        # A label that the model never met stays out of the question.
        [float(bias.get(label, -1000.0)) for label in labels()],
        float(said["temperature"]),
        float(said["k"]),
    )


def corpora(settings: Settings) -> list[str]:
    """The corpora of the bucket: folders below `training/emotion/` that hold a manifest."""
    keys = (item.key for page in ObjectStore(settings).list_pages(CORPORA) for item in page)
    parts = [PurePosixPath(key).relative_to(CORPORA).parts for key in keys]
    return sorted({part[0] for part in parts if len(part) == 2 and part[1] == MANIFEST})


def train_models(settings: Settings, corpus: str) -> TrainingSummary:
    """Train and evaluate all families on a corpus, hold them against the models in force, propose.

    Rows of the manifest that cannot be used are left out and stand in the quarantine. The same
    corpus proposes the same models again, which changes nothing. Raises TrainingError where the
    manifest leaves nothing to learn from; it is then in the quarantine as a whole.
    """
    from ml.emotion.corpus import ManifestError
    from ml.emotion.training import train_families

    store = ObjectStore(settings)
    prefix = f"{CORPORA}{corpus}/"
    listed = {item.key: item for page in store.list_pages(prefix) for item in page}
    if prefix + MANIFEST not in listed:
        raise TrainingError(f"{prefix}{MANIFEST} is not in the bucket")
    with tempfile.TemporaryDirectory(prefix="callmart-") as folder:
        home, out = Path(folder) / corpus, Path(folder) / "trained"
        for key in listed:
            path = home / key.removeprefix(prefix)
            if key.endswith("/") or ".." in path.parts:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(key, path)
        manifest = home / MANIFEST
        sha256 = hashlib.sha256(manifest.read_bytes()).hexdigest()
        try:
            training = train_families(
                manifest, out, data=corpus, in_force=models_in_force(settings)
            )
        except ManifestError as error:
            reason = str(error).replace(str(manifest), MANIFEST)
            _keep_faults(settings, listed[prefix + MANIFEST], sha256, error.faults, reason)
            raise TrainingError(f"{prefix}{reason}") from error
        for candidate in training.candidates.values():
            _store(store, candidate)
    _keep_faults(settings, listed[prefix + MANIFEST], sha256, training.faults, None)
    with connect(settings) as connection:
        for candidate in training.candidates.values():
            _propose(connection, candidate, corpus, sha256, len(training.faults))
    candidates = training.candidates.values()
    return TrainingSummary(
        corpus=corpus,
        proposed={candidate.family: candidate.version for candidate in candidates},
        passed=[candidate.family for candidate in candidates if candidate.verdict.passes],
        rows_used=training.rows_used,
        rows_left_out=len(training.faults),
    )


def _store(store: ObjectStore, candidate: Candidate) -> None:
    """Put a model's files and the page that compares it with the other families into the bucket."""
    for name in (f"{candidate.family}.npz", f"{candidate.family}.json", "COMPARISON.md"):
        body = (candidate.folder / name).read_bytes()
        store.put(f"{MODELS}{candidate.version}/{name}", body)


def _propose(
    connection: Connection[Any], candidate: Candidate, corpus: str, sha256: str, left_out: int
) -> None:
    """Enter a candidate; one that is known keeps its status and gets today's verdict."""
    verdict = candidate.verdict
    low, high = candidate.uar_interval
    connection.execute(
        """
        insert into ops.emotion_models
            (model_version, family, folder, corpus, manifest_sha256, n, speakers, rows_skipped,
             uar, uar_low, uar_high, uar_speaker_baseline, compared_with, compared_uar,
             passes_gate, gate_reason, status, card)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'proposed', %s)
        on conflict (model_version) do update set
            compared_with = excluded.compared_with,
            compared_uar = excluded.compared_uar,
            passes_gate = excluded.passes_gate,
            gate_reason = excluded.gate_reason
        """,
        (
            candidate.version, candidate.family, f"{MODELS}{candidate.version}/", corpus, sha256,
            candidate.n, candidate.speakers, left_out, candidate.uar, low, high,
            candidate.uar_speaker_baseline, verdict.compared_with, verdict.compared_uar,
            verdict.passes, verdict.reason, Jsonb(candidate.card),
        ),
    )  # fmt: skip


def _keep_faults(
    settings: Settings,
    listed: ListedObject,
    sha256: str,
    faults: Sequence[RowFault],
    refused: str | None,
) -> None:
    """Make the quarantine of a manifest what today's reading found; earlier finds are closed."""
    with connect(settings) as connection:
        row = connection.execute(
            "insert into ops.objects (bucket, object_key, etag, size_bytes, modified_at, kind,"
            " content_sha256, status, finished_at)"
            " values (%s, %s, %s, %s, %s, 'training', %s, 'loaded', now())"
            " on conflict (bucket, object_key, etag, size_bytes)"
            " do update set status = 'loaded', message = null, finished_at = now()"
            " returning object_id",
            (
                settings.bucket, listed.key, listed.etag, listed.size_bytes, listed.modified_at,
                sha256,
            ),
        ).fetchone()  # fmt: skip
        if row is None:
            raise LookupError(f"the ledger did not take {listed.key}")
        connection.execute(
            "update ops.quarantine set status = 'resolved', closed_at = now()"
            " where object_key = %s and status <> 'resolved'",
            (listed.key,),
        )
        for fault in faults:
            connection.execute(
                "insert into ops.quarantine"
                " (object_id, object_key, scope, row_number, record_key, rule, reason)"
                " values (%s, %s, 'row', %s, %s, 'manifest_row', %s)",
                (row[0], listed.key, fault.row, fault.path, fault.rule),
            )
        if refused is not None:
            quarantine_file(connection, row[0], "manifest", refused)


def list_models(settings: Settings) -> list[dict[str, Any]]:
    """The models that were trained here, newest first: columns of ops.emotion_models but the card."""
    with connect(settings) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select model_version, family, status, corpus, n, speakers, uar, uar_low, uar_high,"
            " uar_speaker_baseline, compared_with, compared_uar, passes_gate, gate_reason,"
            " trained_at, status_changed_at, status_changed_by"
            " from ops.emotion_models order by trained_at desc, model_version"
        ).fetchall()


def promote(settings: Settings, model_version: str, by: str, force: bool = False) -> str:
    """Put a proposed or retired model in force, or back the shipped one (`shipped:FAMILY`).

    What judged before is retired. Every recording is heard again under the new version, the facts
    of the old one stay. Returns a sentence for a person. Raises LookupError for an unknown version,
    ValueError where the gate said no and `force` is not set.
    """
    with connect(settings) as connection:
        connection.execute("lock table ops.emotion_models in share row exclusive mode")
        if model_version.startswith(SHIPPED):
            family = model_version.removeprefix(SHIPPED)
            if not _retire(connection, family, by):
                raise LookupError(
                    f"no model of family {family!r} that was trained here is in force"
                )
            return f"The {family} model that comes with callmart judges again."
        row = connection.execute(
            "select family, status, passes_gate, gate_reason from ops.emotion_models"
            " where model_version = %s",
            (model_version,),
        ).fetchone()
        if row is None:
            raise LookupError(f"no model {model_version!r} was trained here")
        family, status, passes_gate, gate_reason = row
        if status == "in_force":
            return f"{model_version} is in force already."
        if not passes_gate and not force:
            raise ValueError(f"{model_version} did not pass the gate: {gate_reason}")
        _retire(connection, family, by)
        connection.execute(
            "update ops.emotion_models set status = 'in_force', status_changed_at = now(),"
            " status_changed_by = %s where model_version = %s",
            (by, model_version),
        )
    return (
        f"{model_version} is in force: the next run of analyze_recordings hears with it,"
        " and hears again what another model judged."
    )


def _retire(connection: Connection[Any], family: str, by: str) -> int:
    return connection.execute(
        "update ops.emotion_models set status = 'retired', status_changed_at = now(),"
        " status_changed_by = %s where family = %s and status = 'in_force'",
        (by, family),
    ).rowcount
