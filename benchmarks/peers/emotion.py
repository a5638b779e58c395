"""openSMILE's eGeMAPSv02 functionals and a linear support vector machine, in the peers' environment.

`emotion.py IN.npz`: IN holds `signal` (float32 at 8 kHz, recordings end to end), `offsets` (n + 1),
`labels`, `speakers` and `folds` (n integers each), and any `test_NAME` (as `signal`) of the same
recordings through another line, judged by what was learnt from `signal`. Printed as JSON: what was
judged of each recording, as is and with each speaker's features normalised, and the seconds.

The classifier: standardised features, `SVC(kernel="linear", class_weight="balanced")`, its C chosen
on the training folds alone (`nested`), and beside it each C by itself (`by_c`).
"""

from __future__ import annotations

import itertools
import json
import sys
import time

import numpy as np
import opensmile
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

RATE = 8000
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)


def functionals(signal: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The 88 functionals of each recording, shape (n, 88)."""
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    spans = itertools.pairwise(offsets)
    rows = [smile.process_signal(signal[a:b], RATE).to_numpy()[0] for a, b in spans]
    values: np.ndarray = np.nan_to_num(np.stack(rows))
    return values


def of_own_speaker(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Each row in units of its speaker's mean and spread."""
    result = values.copy()
    for speaker in np.unique(speakers):
        rows = speakers == speaker
        spread = values[rows].std(axis=0)
        spread[spread < 1e-9] = 1
        result[rows] = (values[rows] - values[rows].mean(axis=0)) / spread
    return result


def learn(values: np.ndarray, labels: np.ndarray, strength: float) -> Pipeline:
    machine = SVC(kernel="linear", class_weight="balanced", C=strength)
    return make_pipeline(StandardScaler(), machine).fit(values, labels)


def recall(truth: np.ndarray, guesses: np.ndarray) -> float:
    return float(np.mean([(guesses[truth == c] == c).mean() for c in np.unique(truth)]))


def held_out(
    values: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    strength: float | None,
    tests: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Judgements by name ("" for `values`) of models that learnt from the other folds; without a
    strength it is the best in an inner round over the training folds."""
    guesses = {name: np.empty_like(labels) for name in ("", *tests)}
    for fold in np.unique(folds):
        there, away = folds != fold, folds == fold
        if len(np.unique(labels[there])) < 2:
            for each in guesses.values():
                each[away] = labels[there][0]
            continue
        chosen = strength
        if chosen is None:
            inner = folds[there]
            chosen = STRENGTHS[2]
            if len(np.unique(inner)) > 1:
                scores = [
                    recall(labels[there], held_out(values[there], labels[there], inner, c, {})[""])
                    for c in STRENGTHS
                ]
                chosen = STRENGTHS[int(np.argmax(scores))]
        model = learn(values[there], labels[there], chosen)
        guesses[""][away] = model.predict(values[away])
        for name, test in tests.items():
            guesses[name][away] = model.predict(test[away])
    return guesses


def main() -> None:
    with np.load(sys.argv[1], allow_pickle=False) as given:
        data = {name: given[name] for name in given.files}
    labels, speakers, folds = data["labels"], data["speakers"], data["folds"]
    functionals(data["signal"][: data["offsets"][1]], data["offsets"][:2])  # start-up apart
    began = time.process_time()
    values = functionals(data["signal"], data["offsets"])
    seconds = time.process_time() - began
    tests = {
        name.removeprefix("test_"): functionals(data[name], data["offsets"])
        for name in data
        if name.startswith("test_")
    }
    own = of_own_speaker(values, speakers)
    nested = held_out(values, labels, folds, None, tests)
    found = {
        "feature_seconds": seconds,
        "nested": nested[""].tolist(),
        "nested_own": held_out(own, labels, folds, None, {})[""].tolist(),
        "by_c": {
            str(c): [held_out(each, labels, folds, c, {})[""].tolist() for each in (values, own)]
            for c in STRENGTHS
        },
        "tests": {name: nested[name].tolist() for name in tests},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
