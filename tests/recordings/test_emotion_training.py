"""Training on a folder of the bucket: what is proposed, what is left out, what a person decides."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from small_sounds import sound

from callmart.recordings import TrainingError, analyze_batch, corpora, plan_batches, train_models
from callmart.recordings.emotion_models import list_models, promote

sys.path.append(str(Path(__file__).parents[1] / "emotion"))
from synthetic_voices import write_corpus

pytestmark = pytest.mark.postgres

PREFIX = "training/emotion/made/"


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The objects of a small corpus, one row of whose manifest is wrong, by their names."""
    folder = tmp_path_factory.mktemp("made")
    manifest = write_corpus(folder, speakers=3, takes=2)
    with manifest.open("a", encoding="utf-8") as file:
        file.write("s0_angry_0.wav,s0,furious\nnowhere.wav,s1,sad\n")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def trained(deliveries: Any, voices: dict[str, bytes]) -> Any:
    for name, body in voices.items():
        deliveries.put(PREFIX + name, body)
    return deliveries, train_models(deliveries.settings, "made")


def test_all_families_are_proposed_with_figures_files_and_verdict(trained: Any) -> None:
    deliveries, summary = trained
    assert corpora(deliveries.settings) == ["made"]
    assert set(summary.proposed) == {"pca", "neural", "gmm"}
    assert (summary.rows_used, summary.rows_left_out) == (24, 2)
    rows = {row["family"]: row for row in list_models(deliveries.settings)}
    for family, version in summary.proposed.items():
        row = rows[family]
        assert (row["model_version"], row["status"], row["corpus"]) == (version, "proposed", "made")
        assert (row["n"], row["speakers"]) == (24, 3)
        assert 0 <= row["uar_low"] <= row["uar"] <= row["uar_high"] <= 1
        assert row["compared_with"].startswith(f"{family}-")
        assert row["compared_with"] != version
        assert row["passes_gate"] == (family in summary.passed)
        assert row["gate_reason"]
        listed = deliveries.client.list_objects_v2(
            Bucket=deliveries.settings.bucket, Prefix=f"models/emotion/{version}/"
        )
        names = {item["Key"].rsplit("/", 1)[1] for item in listed["Contents"]}
        assert names == {f"{family}.npz", f"{family}.json", "COMPARISON.md"}


def test_bad_rows_are_quarantined_and_closed_when_the_manifest_is_mended(
    trained: Any, voices: dict[str, bytes]
) -> None:
    deliveries, _ = trained
    found = deliveries.query(
        "select object_key, scope, row_number, record_key, rule, status, reason"
        " from ops.quarantine order by row_number"
    )
    lines = len(voices["manifest.csv"].decode().splitlines())
    key = PREFIX + "manifest.csv"
    assert [row[:6] for row in found] == [
        (key, "row", lines - 1, "s0_angry_0.wav", "manifest_row", "open"),
        (key, "row", lines, "nowhere.wav", "manifest_row", "open"),
    ]
    assert "furious" in found[0][6]
    assert "no such file" in found[1][6]

    mended = b"\n".join(voices["manifest.csv"].splitlines()[:-2]) + b"\n"
    deliveries.put(key, mended)
    again = train_models(deliveries.settings, "made")
    assert again.rows_left_out == 0
    assert deliveries.query("select distinct status from ops.quarantine") == [("resolved",)]


def test_the_same_corpus_proposes_the_same_models_and_keeps_their_status(trained: Any) -> None:
    deliveries, summary = trained
    version = summary.proposed["pca"]
    promote(deliveries.settings, version, "a person", force=True)
    assert train_models(deliveries.settings, "made").proposed == summary.proposed
    rows = {row["model_version"]: row["status"] for row in list_models(deliveries.settings)}
    assert rows == {
        each: "in_force" if each == version else "proposed" for each in summary.proposed.values()
    }


def test_a_promoted_model_judges_and_old_facts_stay(trained: Any) -> None:
    deliveries, summary = trained
    speech = b"".join([voice_file(deliveries, name) for name in ("s1_angry_1.wav",)])
    deliveries.deliver("recordings/dt=2026-11-18/talk.wav", speech)
    deliveries.deliver("recordings/dt=2026-11-18/tone.wav", sound(1))

    def hear() -> int:
        hashes = [h for batch in plan_batches(deliveries.settings) for h in batch["content_hashes"]]
        return analyze_batch(deliveries.settings, hashes).heard if hashes else 0

    assert hear() == 2
    shipped = deliveries.query("select distinct family, model_version from facts.emotions")
    promote(deliveries.settings, summary.proposed["pca"], "a person", force=True)
    assert hear() == 2
    assert hear() == 0
    assert deliveries.query("select count(distinct analyser_version) from facts.recordings") == [
        (2,)
    ]
    judged = set(deliveries.query("select distinct family, model_version from facts.emotions"))
    if shipped:
        assert judged == {*shipped, ("pca", summary.proposed["pca"])}
    assert ("pca", summary.proposed["pca"]) in judged or not judged
    assert promote(deliveries.settings, "shipped:pca", "a person")
    assert hear() == 0
    rows = {row["family"]: row for row in list_models(deliveries.settings)}
    assert (rows["pca"]["status"], rows["pca"]["status_changed_by"]) == ("retired", "a person")


def voice_file(deliveries: Any, name: str) -> bytes:
    body: bytes = deliveries.client.get_object(
        Bucket=deliveries.settings.bucket, Key=PREFIX + name
    )["Body"].read()
    return body


@pytest.mark.parametrize(
    ("passes", "force", "is_put_in_force"),
    [(True, False, True), (True, True, True), (False, False, False), (False, True, True)],
)
def test_the_gate_holds_unless_a_person_overrules_it(
    deliveries: Any, passes: bool, force: bool, is_put_in_force: bool
) -> None:
    enter(deliveries, "pca-1", passes=True)
    enter(deliveries, "pca-2", passes=passes)
    promote(deliveries.settings, "pca-1", "one")
    if is_put_in_force:
        assert "pca-2" in promote(deliveries.settings, "pca-2", "two", force=force)
    else:
        with pytest.raises(ValueError, match=r"pca-2 did not pass the gate: worse by 4 points"):
            promote(deliveries.settings, "pca-2", "two", force=force)
    assert deliveries.query("select model_version, status from ops.emotion_models order by 1") == (
        [("pca-1", "retired"), ("pca-2", "in_force")]
        if is_put_in_force
        else [("pca-1", "in_force"), ("pca-2", "proposed")]
    )


@pytest.mark.parametrize("version", ["pca-9", "shipped:pca"])
def test_what_was_never_trained_here_cannot_be_promoted(deliveries: Any, version: str) -> None:
    with pytest.raises(LookupError, match="trained here"):
        promote(deliveries.settings, version, "a person")


def enter(deliveries: Any, version: str, passes: bool) -> None:
    deliveries.query(
        "insert into ops.emotion_models (model_version, family, folder, corpus, manifest_sha256, n,"
        " speakers, rows_skipped, uar, uar_low, uar_high, uar_speaker_baseline, compared_with,"
        " passes_gate, gate_reason, status, card)"
        " values (%s, 'pca', 'f/', 'made', 's', 8, 2, 0, 0.7, 0.6, 0.8, 0.75, 'pca-0', %s, %s,"
        " 'proposed', '{}') returning 1",
        version,
        passes,
        "as good" if passes else "worse by 4 points",
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["path", "label"]], "speaker"),
        ([["path", "speaker", "label"], ["a.wav", "s1", "angry"]], "a.wav"),
        ([["path", "speaker", "label"]], "row"),
    ],
)
def test_a_manifest_that_teaches_nothing_is_quarantined_whole(
    deliveries: Any, rows: list[list[str]], words: str
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    deliveries.put(PREFIX + "manifest.csv", text.getvalue().encode())
    with pytest.raises(TrainingError, match=r"training/emotion/made/manifest\.csv") as refused:
        train_models(deliveries.settings, "made")
    assert words in str(refused.value)
    assert str(deliveries.settings.home) not in str(refused.value)
    assert deliveries.query(
        "select object_key, rule, status from ops.quarantine where scope = 'file'"
    ) == [(PREFIX + "manifest.csv", "manifest", "open")]
    assert list_models(deliveries.settings) == []


def test_a_corpus_that_is_not_there_is_named(deliveries: Any) -> None:
    with pytest.raises(TrainingError, match=r"training/emotion/nowhere/manifest\.csv"):
        train_models(deliveries.settings, "nowhere")


def test_training_is_nobodys_delivery(deliveries: Any) -> None:
    deliveries.deliver(PREFIX + "a.wav", sound(1))
    assert deliveries.query("select count(*) from ops.objects") == [(0,)]
