"""Families, evaluation by speaker, saving and loading."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_voices import voice

from ml.emotion import FAMILIES, ModelError, load_model
from ml.emotion.augment import vary
from ml.emotion.corpus import Corpus, against_own_voice, describe
from ml.emotion.families import Family, PrincipalComponents, Stretch, make_family
from ml.emotion.model import EmotionModel, softmax
from ml.emotion.training import (
    Evaluation,
    evaluate,
    expected_calibration_error,
    fit_temperature,
    folds,
    hold_against,
    relative_logits,
    train,
    train_families,
    unweighted_average_recall,
)


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def judged(request: pytest.FixtureRequest, corpus: Corpus) -> tuple[Evaluation, EmotionModel]:
    evaluation = evaluate(corpus, request.param)
    return evaluation, train(corpus, evaluation, {"data": "synthetic", "licence": "CC0-1.0"})


def test_unseen_speakers_are_recognised(judged: tuple[Evaluation, EmotionModel]) -> None:
    evaluation, _ = judged
    assert evaluation.uar > 0.7
    assert evaluation.speaker_baseline_uar > 0.8
    assert evaluation.confusion().sum() == len(evaluation.truth)


def test_shuffled_labels_are_not_learnt(corpus: Corpus) -> None:
    """What a leak of the held-out speaker would lift above chance stays at chance."""
    rng = np.random.default_rng(5)
    scores = [
        evaluate(replace(corpus, labels=rng.permutation(corpus.labels)), "pca").uar
        for _ in range(8)
    ]
    assert abs(float(np.mean(scores)) - 0.25) < 0.1


class _Watching(PrincipalComponents):
    """Notes which stretches each fit has seen, copies included."""

    seen: list[set[int]]

    def fit(self, stretches: Sequence[Stretch], labels: Any, classes: int) -> PrincipalComponents:
        self.seen.append({int(stretch.seconds) for stretch in stretches})
        return super().fit(stretches, labels, classes)


def _numbered(corpus: Corpus) -> Corpus:
    """The corpus with each recording's number in the place of its seconds, in its copies too."""
    return replace(
        corpus,
        stretches=[replace(s, seconds=float(i)) for i, s in enumerate(corpus.stretches)],
        copies=[
            {name: replace(s, seconds=float(i)) for name, s in copies.items()}
            for i, copies in enumerate(corpus.copies)
        ],
    )


def test_nothing_of_a_held_out_speaker_reaches_a_fit(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Watching.seen = []
    monkeypatch.setitem(FAMILIES, "pca", _Watching)
    evaluate(_numbered(corpus), "pca")
    expected = [set(learn.tolist()) for learn, _ in folds(corpus.speakers)]
    assert _Watching.seen == expected * 2  # as is, then with the speakers' baselines


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_held_out_speaker_changes_no_learnt_number(corpus: Corpus, family: str) -> None:
    """A scaler, projection or mixture fitted on everybody would move with the held-out voices."""

    def learnt(stretches: Sequence[Stretch]) -> dict[str, Any]:
        spoilt = replace(corpus, stretches=list(stretches), copies=[{} for _ in stretches])
        arrays: list[dict[str, Any]] = []

        class Kept(FAMILIES[family]):
            def read(self, held_out: Sequence[Stretch]) -> Any:
                arrays.append(self.arrays_)
                return super().read(held_out)

        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(FAMILIES, family, Kept)
            evaluate(spoilt, family)
        return arrays[0]  # of the fold that holds out the first speaker

    held_out = next(folds(corpus.speakers))[1]
    changed = list(corpus.stretches)
    for place in held_out:
        changed[place] = replace(
            changed[place],
            functionals=changed[place].functionals * 3 + 1,
            frames=changed[place].frames * 3 + 1,
        )
    before, after = learnt(corpus.stretches), learnt(changed)
    assert {"weights", "relative_weights", "relative_population"} <= set(before)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)


def test_the_baseline_of_a_speaker_is_their_own_alone(corpus: Corpus) -> None:
    normalised = against_own_voice(corpus.stretches, corpus.speakers)
    one = np.flatnonzero(corpus.speakers == "s1").tolist()
    alone = against_own_voice([corpus.stretches[place] for place in one], corpus.speakers[one])
    for place, stretch in zip(one, alone, strict=True):
        np.testing.assert_array_equal(normalised[place].functionals, stretch.functionals)
    vectors = np.stack([normalised[place].functionals for place in one])
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-3)


def test_many_speakers_make_folds_of_whole_speakers() -> None:
    speakers = np.array([f"s{i % 40}" for i in range(203)])
    held_out = [held for _, held in folds(speakers)]
    assert len(held_out) == 20
    assert sorted(np.concatenate(held_out).tolist()) == list(range(203))
    for learn, held in folds(speakers):
        assert not set(speakers[learn]) & set(speakers[held])


def test_probabilities_add_up_to_one(
    judged: tuple[Evaluation, EmotionModel], corpus: Corpus
) -> None:
    probabilities = judged[1].probabilities(corpus.stretches)
    assert probabilities.shape == (len(corpus.stretches), 4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (probabilities >= 0).all()


def test_saved_and_loaded_judges_the_same(
    judged: tuple[Evaluation, EmotionModel], corpus: Corpus, tmp_path: Path
) -> None:
    _, model = judged
    model.save(tmp_path)
    again = load_model(model.family.name, tmp_path)
    assert again.version == model.version
    np.testing.assert_array_equal(
        again.probabilities(corpus.stretches), model.probabilities(corpus.stretches)
    )
    np.testing.assert_array_equal(
        again.family.parameters(corpus.stretches), model.family.parameters(corpus.stretches)
    )


def test_training_twice_gives_the_same_bytes(
    judged: tuple[Evaluation, EmotionModel], corpus: Corpus, tmp_path: Path
) -> None:
    evaluation, model = judged
    again = train(corpus, evaluation, {"data": "synthetic", "licence": "CC0-1.0"})
    for folder, each in (("a", model), ("b", again)):
        each.save(tmp_path / folder)
    for suffix in ("npz", "json"):
        name = f"{model.family.name}.{suffix}"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_card_says_what_a_reader_needs(judged: tuple[Evaluation, EmotionModel]) -> None:
    card = judged[1].card
    assert card["n"] == 48
    assert card["speakers"] == 4
    assert card["evaluation"]["uar_chance"] == 0.25
    assert set(card["evaluation"]["recall"]) == {"angry", "happy", "neutral", "sad"}
    low, high = card["evaluation"]["uar"]["interval_95"]
    assert low <= card["evaluation"]["uar"]["value"] <= high


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_shipped_models_hold_no_pickle_and_four_labels(family: str) -> None:
    folder = Path(load_model.__code__.co_filename).with_name("models")
    with zipfile.ZipFile(folder / f"{family}.npz") as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
            assert array.dtype == np.float32, name
    model = load_model(family)
    assert model.labels == ("angry", "happy", "neutral", "sad")
    card = json.loads((folder / f"{family}.json").read_text(encoding="utf-8"))
    wanted = {"data", "licence", "n", "evaluation", "known_failings", "training_command"}
    assert wanted <= set(card)


class _Trap:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemError('a model ran code')",))


def test_a_pickle_is_refused_not_run(
    judged: tuple[Evaluation, EmotionModel], tmp_path: Path
) -> None:
    model = judged[1]
    model.save(tmp_path)
    arrays = {**model.family.arrays_, "mean": np.array([_Trap()], dtype=object)}
    np.savez(tmp_path / f"{model.family.name}.npz", allow_pickle=True, **arrays)
    with pytest.raises(ModelError, match="not a saved model"):
        load_model(model.family.name, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "pca.npz").unlink(), "No such file"),
        (lambda folder: (folder / "pca.npz").write_bytes(b"PK"), "not a saved model"),
        (lambda folder: (folder / "pca.json").write_text("{"), "not a saved model"),
        (lambda folder: _edit_card(folder, "features", "0"), "other features"),
        (lambda folder: _edit_card(folder, "temperature", 9.0), "its content is not that of"),
    ],
)
def test_a_damaged_model_is_refused_with_its_reason(
    spoil: Any, reason: str, tmp_path: Path
) -> None:
    load_model("pca").save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ModelError, match=reason):
        load_model("pca", tmp_path)


def _edit_card(folder: Path, key: str, value: Any) -> None:
    card = json.loads((folder / "pca.json").read_text(encoding="utf-8"))
    card[key] = value
    (folder / "pca.json").write_text(json.dumps(card), encoding="utf-8")


def test_two_labels_are_enough(corpus: Corpus) -> None:
    places = np.flatnonzero(np.isin(corpus.labels, ["angry", "sad"])).tolist()
    part = replace(
        corpus,
        stretches=[corpus.stretches[place] for place in places],
        copies=[corpus.copies[place] for place in places],
        labels=corpus.labels[places],
        speakers=corpus.speakers[places],
        rows=[corpus.rows[place] for place in places],
    )
    for family in FAMILIES:
        evaluation = evaluate(part, family)
        assert evaluation.labels == ("angry", "sad")
        assert evaluation.uar > 0.9, family


def test_a_label_that_only_one_speaker_has_is_missed_not_fatal(corpus: Corpus) -> None:
    speakers = np.where(corpus.labels == "sad", "only", corpus.speakers)
    evaluation = evaluate(replace(corpus, speakers=speakers), "pca")
    sad = evaluation.labels.index("sad")
    assert evaluation.confusion()[sad, sad] == 0
    assert evaluation.confusion()[sad].sum() == 12


def test_temperature_recovers_the_scale_of_overconfident_logits() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4000, 4)).astype(np.float32) * 2
    steps = softmax(logits.astype(np.float64)).cumsum(axis=1)
    truth = (steps < rng.random((4000, 1))).sum(axis=1)
    assert fit_temperature(logits * 5, truth) == pytest.approx(5, rel=0.08)
    assert expected_calibration_error(softmax(logits), truth) < 0.03
    assert expected_calibration_error(softmax(logits * 5), truth) > 0.15


def test_unweighted_recall_counts_classes_not_rows() -> None:
    truth, guesses = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 0, 0])
    assert unweighted_average_recall(truth, guesses, 2) == 0.5


def test_unknown_family_is_an_error() -> None:
    with pytest.raises(KeyError):
        make_family("oracle")
    with pytest.raises(ModelError, match="no family 'oracle'"):
        load_model("oracle")


def test_variants_change_what_they_name() -> None:
    signal = voice("neutral", 1)
    assert len(vary(signal, {"speed": 1.07}, 0)) == pytest.approx(len(signal) / 1.07, abs=2)
    noisy = vary(signal, {"noise_db": -20}, 0) - signal
    assert 10 * np.log10(np.mean(noisy**2) / np.mean(signal**2)) == pytest.approx(-20, abs=0.3)
    np.testing.assert_array_equal(
        vary(signal, {"noise_db": -20}, 7), vary(signal, {"noise_db": -20}, 7)
    )
    spectrum = np.abs(np.fft.rfft(vary(signal, {"band_hz": [300, 3400]}, 0))) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / 8000)
    assert spectrum[hz < 150].sum() < 1e-3 * spectrum.sum()


def test_parameters_are_each_familys_own(judged: tuple[Evaluation, EmotionModel]) -> None:
    family: Family = judged[1].family
    values = family.parameters([describe(voice("happy", 2))])
    assert values.shape[0] == 1
    if family.name == "gmm":  # posteriors of the mixture
        assert values.sum() == pytest.approx(1, abs=1e-4)
    if family.name == "neural":  # a tanh layer
        assert np.abs(values).max() <= 1


def _part(corpus: Corpus, speakers: Sequence[str]) -> Corpus:
    places = np.flatnonzero(np.isin(corpus.speakers, speakers)).tolist()
    return replace(
        corpus,
        stretches=[corpus.stretches[place] for place in places],
        copies=[corpus.copies[place] for place in places],
        labels=corpus.labels[places],
        speakers=corpus.speakers[places],
        rows=[corpus.rows[place] for place in places],
        digests=[corpus.digests[place] for place in places],
    )


def _wrong(evaluation: Evaluation) -> Evaluation:
    """The same, but every judgement is another label than the right one."""
    logits = np.eye(4, dtype=np.float32)[(evaluation.truth + 1) % 4]
    return replace(evaluation, logits=logits)


def _guessing(evaluation: Evaluation) -> Evaluation:
    return replace(evaluation, logits=np.eye(4, dtype=np.float32)[np.zeros_like(evaluation.truth)])


def test_the_gate_compares_on_speakers_that_neither_has_heard(corpus: Corpus) -> None:
    evaluation = evaluate(corpus, "pca")
    half = _part(corpus, ["s0", "s1"])
    in_force = train(half, evaluate(half, "pca"), {})
    verdict = hold_against(corpus, evaluation, in_force)
    assert verdict.passes
    assert verdict.rows == 24  # s2 and s3: the model in force learnt from the others
    assert verdict.speakers == 2
    assert verdict.compared_with == in_force.version
    theirs = in_force.family.logits(_part(corpus, ["s2", "s3"]).stretches).argmax(axis=1)
    truth = evaluation.truth[np.isin(corpus.speakers, ["s2", "s3"])]
    assert verdict.compared_uar == unweighted_average_recall(truth, theirs, 4)


def test_the_gate_refuses_what_is_worse_or_only_guesses(corpus: Corpus) -> None:
    evaluation = evaluate(corpus, "pca")
    half = _part(corpus, ["s0", "s1"])
    in_force = train(half, evaluate(half, "pca"), {})
    for bad in (_wrong(evaluation), _guessing(evaluation)):
        verdict = hold_against(corpus, bad, in_force)
        assert not verdict.passes
        assert "guessing" in verdict.reason
        assert not hold_against(corpus, bad, None).passes
    # Half of the recordings right: above chance, yet far below the model in force.
    mediocre = evaluation.logits.copy()
    spoilt = np.arange(len(mediocre)) % 2 == 0
    mediocre[spoilt] = _wrong(evaluation).logits[spoilt]
    verdict = hold_against(corpus, replace(evaluation, logits=mediocre), in_force)
    assert not verdict.passes
    assert f"{verdict.compared_uar:.3f}" in verdict.reason


def test_where_the_model_in_force_met_everybody_its_own_figure_stands(corpus: Corpus) -> None:
    evaluation = evaluate(corpus, "pca")
    in_force = train(corpus, evaluation, {})
    verdict = hold_against(corpus, evaluation, in_force)
    assert verdict.passes
    assert verdict.compared_uar == in_force.card["evaluation"]["uar"]["value"]
    assert "has met these speakers" in verdict.reason


def test_the_mean_of_earlier_recordings_is_taken_off_one_by_one(corpus: Corpus) -> None:
    evaluation = evaluate(corpus, "pca")
    population, bias = evaluation.relative_population, evaluation.relative_bias
    logits = relative_logits(evaluation, prior=4.0, seed=1)
    places = np.flatnonzero(evaluation.speakers == "s2")
    order = np.random.default_rng(1).permutation(places)
    first, third = order[0], order[2]
    scores = evaluation.relative_scores
    np.testing.assert_allclose(
        logits[first], scores[first] - population[first] + bias[first], atol=1e-5
    )
    mean = (scores[order[:2]].sum(axis=0) + 4 * population[third]) / 6
    np.testing.assert_allclose(logits[third], scores[third] - mean + bias[third], atol=1e-5)
    everything = relative_logits(evaluation, prior=4.0)
    centred = (everything - bias)[places]
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-4)


def test_three_families_are_trained_compared_and_written_twice_alike(
    manifest: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        trained = train_families(manifest, tmp_path / name, ["pca", "gmm"])
        assert trained.rows_used == 48
        assert trained.faults == []
        for family, candidate in trained.candidates.items():
            assert candidate.family == family
            low, high = candidate.uar_interval
            assert low <= candidate.uar <= high
            assert load_model(family, tmp_path / name).version == candidate.version
    for name in ("pca.npz", "pca.json", "gmm.npz", "gmm.json", "COMPARISON.md", "gate.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    page = (tmp_path / "a" / "COMPARISON.md").read_text(encoding="utf-8")
    card = json.loads((tmp_path / "a" / "gmm.json").read_text(encoding="utf-8"))
    assert f"{card['evaluation']['uar']['value']:.3f}" in page
    assert card["training_command"] in page
    for failing in card["known_failings"]:
        assert failing in page
