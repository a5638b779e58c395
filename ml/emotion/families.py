"""The three families: parameters of a voice → evidence for each label.

Each is an estimator: hyperparameters in the constructor (from `settings.yaml`), `fit` learns, and
all that was learnt lies in `arrays_`, a dictionary of plain NumPy arrays that can be written and
read without running code. Fitting uses scikit-learn; `read` is NumPy alone.

- `pca`: principal components of the functionals, then a linear classifier.
- `neural`: small networks with one hidden layer over the functionals, their logits averaged.
- `gmm`: a universal mixture over voiced frames; its means adapted to the stretch make a
  supervector (Reynolds, Quatieri & Dunn, Digital Signal Processing 10, 2000), which a linear
  classifier reads.

Beside its classifier each family learns a second, linear one from voices in units of difference
to their own speaker's mean. Because it is linear, a speaker's mean can be taken off afterwards,
wherever their earlier recordings are known (`Reading.relative_scores`).
"""

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ml.emotion.settings import settings

Array = NDArray[np.float32]
Labels = NDArray[np.intp]

_MIXTURE_FRAMES = 20_000  # enough for 16 components of 56 descriptors, and quick
_SUPERVECTOR_AXES = 400
_LOGISTIC_STRENGTH = 0.01  # C; from 0.003 to 0.05 nothing changes by a point
_CLIP = 4.0  # standard deviations; a voice farther out than this is a fault of measurement


@dataclass(frozen=True)
class Stretch:
    """A stretch of speech of one speaker, as the families read it.

    Attributes:
        functionals: float32 (functionals,); `features.FUNCTIONAL_NAMES`.
        frames: float32 (voiced frames, 2 × descriptors); descriptors and their slopes.
        seconds: voiced speech in it.
    """

    functionals: Array
    frames: Array
    seconds: float


@dataclass(frozen=True)
class Reading:
    """What a family reads out of stretches of speech; each has a row a stretch.

    Attributes:
        parameters: float32 (stretches, parameters): what the family extracts, kept as facts.
        logits: float32 (stretches, classes): evidence for each label, before calibration.
        relative_scores: float32 (stretches, classes): the second classifier's, without its bias;
            what they are above the speaker's mean, plus `relative_bias`, are logits.
    """

    parameters: Array
    logits: Array
    relative_scores: Array


class Family(ABC):
    """One way from stretches of speech to evidence for the labels."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.arrays_: dict[str, Array] = {}

    @abstractmethod
    def fit(self, stretches: Sequence[Stretch], labels: Labels, classes: int) -> Family:
        """Learn from stretches and their labels (indices below `classes`, each present)."""

    @abstractmethod
    def embed(self, stretches: Sequence[Stretch]) -> tuple[Array, Array]:
        """The parameters (stretches, parameters) and what the classifiers read of them
        (stretches, columns), both float32; often the same."""

    def logits(self, stretches: Sequence[Stretch]) -> Array:
        """Evidence for each label, float32 (stretches, classes), before calibration."""
        result: Array = self.embed(stretches)[1] @ self.arrays_["weights"] + self.arrays_["bias"]
        return result

    def parameters(self, stretches: Sequence[Stretch]) -> Array:
        """What this family extracts, float32 (stretches, parameters): kept as facts."""
        return self.embed(stretches)[0]

    def read(self, stretches: Sequence[Stretch]) -> Reading:
        """Everything at once. The second classifier must have been learnt (`fit_relative`)."""
        parameters, vectors = self.embed(stretches)
        learnt = self.arrays_
        return Reading(
            parameters,
            vectors @ learnt["weights"] + learnt["bias"],
            vectors @ learnt["relative_weights"],
        )

    def fit_relative(
        self,
        stretches: Sequence[Stretch],
        labels: Labels,
        speakers: NDArray[np.str_],
        classes: int,
    ) -> None:
        """Learn the second classifier, from differences to each speaker's mean. After `fit`.

        Adds `relative_weights` (columns, classes), `relative_bias` (classes,), and
        `relative_population` (classes,), the scores of the mean speaker.
        """
        vectors = self.embed(stretches)[1]
        centred, means = vectors.copy(), []
        for speaker in np.unique(speakers):
            places = np.flatnonzero(speakers == speaker)
            means.append(vectors[places].mean(axis=0))
            centred[places] -= means[-1]
        basis = _principal_axes(centred, _SUPERVECTOR_AXES)
        weights, bias = linear_head(centred @ basis, labels, classes, self._shrinkage())
        direct = (basis @ weights).astype(np.float32)
        self.arrays_ |= {
            "relative_weights": direct,
            "relative_bias": bias,
            "relative_population": (np.mean(means, axis=0) @ direct).astype(np.float32),
        }

    def _shrinkage(self) -> float:
        return float(getattr(self, "shrinkage", 0.3))

    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments, for the model card."""
        names = list(inspect.signature(type(self)).parameters)
        return {name: getattr(self, name) for name in names}


class PrincipalComponents(Family):
    """Standardise, project on principal components, separate by a linear classifier."""

    name = "pca"

    def __init__(self, components: int, shrinkage: float) -> None:
        super().__init__()
        self.components = components
        self.shrinkage = shrinkage

    def fit(
        self, stretches: Sequence[Stretch], labels: Labels, classes: int
    ) -> PrincipalComponents:
        values = _functionals(stretches)
        scaler = _fit_scaler(values)
        scaled = _scale(values, scaler["mean"], scaler["scale"])
        basis = _principal_axes(scaled, self.components)
        weights, bias = linear_head(scaled @ basis, labels, classes, self.shrinkage)
        self.arrays_ = {**scaler, "basis": basis, "weights": weights, "bias": bias}
        return self

    def embed(self, stretches: Sequence[Stretch]) -> tuple[Array, Array]:
        learnt = self.arrays_
        scaled = _scale(_functionals(stretches), learnt["mean"], learnt["scale"])
        scores: Array = scaled @ learnt["basis"]
        return scores, scores


class NeuralNetwork(Family):
    """Standardise, then the mean logit of several networks with one hidden tanh layer each.

    Each network sees a random share of the functionals (random subspaces: Ho, IEEE Trans. Pattern
    Analysis and Machine Intelligence 20, 1998), so that they err differently and their mean less.
    """

    name = "neural"

    def __init__(
        self,
        networks: int,
        hidden: int,
        feature_share: float,
        weight_decay: float,
        iterations: int,
    ) -> None:
        super().__init__()
        self.networks = networks
        self.hidden = hidden
        self.feature_share = feature_share
        self.weight_decay = weight_decay
        self.iterations = iterations

    def fit(self, stretches: Sequence[Stretch], labels: Labels, classes: int) -> NeuralNetwork:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        values = _functionals(stretches)
        scaler = _fit_scaler(values)
        scaled = _scale(values, scaler["mean"], scaler["scale"]).astype(np.float64)
        balance = len(labels) / (classes * np.bincount(labels, minlength=classes)[labels])
        first, first_bias, second, second_bias = [], [], [], []
        for seed in range(self.networks):
            seen = np.random.default_rng(seed).random(scaled.shape[1]) < self.feature_share
            network = MLPClassifier(
                (self.hidden,), activation="tanh", solver="lbfgs", alpha=self.weight_decay,
                max_iter=self.iterations, random_state=seed,
            )  # fmt: skip
            with warnings.catch_warnings():
                # The limit on iterations is one of the means against overfitting, not a failure.
                warnings.simplefilter("ignore", ConvergenceWarning)
                network.fit(scaled[:, seen], labels, sample_weight=balance)
            out, out_bias = network.coefs_[1], network.intercepts_[1]
            if classes == 2:  # scikit-learn keeps one output for two classes: its log odds
                out, out_bias = np.hstack([-out / 2, out / 2]), np.repeat(out_bias / 2, 2)
                out_bias[0] *= -1
            weights = np.zeros((scaled.shape[1], self.hidden))
            weights[seen] = network.coefs_[0]
            first.append(weights)
            first_bias.append(network.intercepts_[0])
            second.append(out)
            second_bias.append(out_bias)
        self.arrays_ = {
            **scaler,
            "hidden_weights": np.concatenate(first, axis=1).astype(np.float32),
            "hidden_bias": np.concatenate(first_bias).astype(np.float32),
            "weights": (np.concatenate(second) / self.networks).astype(np.float32),
            "bias": np.mean(second_bias, axis=0).astype(np.float32),
        }
        return self

    def embed(self, stretches: Sequence[Stretch]) -> tuple[Array, Array]:
        learnt = self.arrays_
        scaled = _scale(_functionals(stretches), learnt["mean"], learnt["scale"])
        hidden: Array = np.tanh(scaled @ learnt["hidden_weights"] + learnt["hidden_bias"])
        return hidden, hidden


class GaussianMixture(Family):
    """A mixture over the frames of all voices, adapted to each stretch; a linear discriminant
    reads the adapted means. The parameters kept as facts are the mixture's mean posteriors."""

    name = "gmm"

    def __init__(
        self,
        components: int,
        relevance: float,
        variance_floor: float,
        functionals_weight: float,
        shrinkage: float,
    ) -> None:
        super().__init__()
        self.components = components
        self.relevance = relevance
        self.variance_floor = variance_floor
        self.functionals_weight = functionals_weight
        self.shrinkage = shrinkage

    def fit(self, stretches: Sequence[Stretch], labels: Labels, classes: int) -> GaussianMixture:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture as Mixture

        # Neighbouring frames share most of their window: a share of them says nearly all.
        total = sum(len(stretch.frames) for stretch in stretches)
        step = max(3, total // _MIXTURE_FRAMES)
        frames = np.concatenate([stretch.frames for stretch in stretches])[::step]
        scaler = _fit_scaler(frames)
        sample = _scale(frames, scaler["mean"], scaler["scale"]).astype(np.float64)
        mixture = Mixture(
            min(self.components, max(1, len(sample) // 50)), covariance_type="diag",
            reg_covar=self.variance_floor, init_params="k-means++", max_iter=30, tol=1e-2,
            random_state=0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 30 rounds are meant
            mixture.fit(sample)
        of_functionals = _fit_scaler(_functionals(stretches))
        self.arrays_ = {
            **scaler,
            "functionals_mean": of_functionals["mean"],
            "functionals_scale": of_functionals["scale"],
            "mixture_weights": mixture.weights_.astype(np.float32),
            "mixture_means": mixture.means_.astype(np.float32),
            "mixture_variances": mixture.covariances_.astype(np.float32),
        }
        vectors = self.embed(stretches)[1]
        centre = vectors.mean(axis=0)
        basis = _principal_axes(vectors - centre, _SUPERVECTOR_AXES)
        weights, bias = linear_head((vectors - centre) @ basis, labels, classes, self.shrinkage)
        # Projection and classifier are one linear map: only their product is kept.
        direct = (basis @ weights).astype(np.float32)
        self.arrays_ |= {"weights": direct, "bias": (bias - centre @ direct).astype(np.float32)}
        return self

    def embed(self, stretches: Sequence[Stretch]) -> tuple[Array, Array]:
        both = [self._supervector(stretch) for stretch in stretches]
        return np.stack([posteriors for _, posteriors in both]), np.stack([v for v, _ in both])

    def _supervector(self, stretch: Stretch) -> tuple[Array, Array]:
        """The adapted means' offsets in units that make distance a bound of the Kullback–Leibler
        divergence, with the weighted functionals behind them (the stretch as a whole: a mixture
        over frames knows no time), float32 (components · descriptors + functionals,); and the
        mean posteriors (components,)."""
        learnt = self.arrays_
        weights, means = learnt["mixture_weights"], learnt["mixture_means"]
        variances = learnt["mixture_variances"]
        frames = _scale(stretch.frames, learnt["mean"], learnt["scale"])
        log_likelihood = (
            np.log(weights)
            - 0.5 * (np.log(variances).sum(axis=1) + (means**2 / variances).sum(axis=1))
            + frames @ (means / variances).T
            - 0.5 * (frames**2) @ (1 / variances).T
        )
        posteriors = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
        posteriors /= posteriors.sum(axis=1, keepdims=True)
        counts = posteriors.sum(axis=0)
        offset = (posteriors.T @ frames - counts[:, None] * means) / (
            counts[:, None] + np.float32(self.relevance)
        )
        scaled = np.sqrt(weights)[:, None] * offset / np.sqrt(variances)
        whole = _scale(stretch.functionals, learnt["functionals_mean"], learnt["functionals_scale"])
        vector = np.concatenate([scaled.ravel(), self.functionals_weight * whole])
        return vector.astype(np.float32), (counts / len(frames)).astype(np.float32)


FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (PrincipalComponents, NeuralNetwork, GaussianMixture)
}


def make_family(name: str, **hyperparameters: Any) -> Family:
    """An unfitted family with the settings' hyperparameters, or those given.

    Raises:
        KeyError: no family of that name.
    """
    return FAMILIES[name](**{**settings()["families"][name], **hyperparameters})


def _functionals(stretches: Sequence[Stretch]) -> Array:
    return np.stack([stretch.functionals for stretch in stretches])


def _fit_scaler(values: Array) -> dict[str, Array]:
    wide = values.astype(np.float64)
    deviation = wide.std(axis=0)
    # A constant column says nothing: scale 1 leaves it at zero.
    deviation[deviation < 1e-6] = 1.0
    return {
        "mean": wide.mean(axis=0).astype(np.float32),
        "scale": deviation.astype(np.float32),
    }


def _scale(values: Array, mean: Array, scale: Array) -> Array:
    result: Array = np.clip((values - mean) / scale, -_CLIP, _CLIP)
    return result


def _principal_axes(centred: Array, components: int) -> Array:
    """The leading axes as columns, float32 (columns, at most `components`).

    The sign of each axis is fixed by its largest loading, so that the parameters mean the same
    wherever the model is rebuilt.
    """
    wide = centred.astype(np.float64)
    wide = wide - wide.mean(axis=0)
    # The eigenvectors of the smaller of the two products: many times quicker than the SVD.
    tall = wide.shape[0] >= wide.shape[1]
    values, vectors = np.linalg.eigh(wide.T @ wide if tall else wide @ wide.T)
    keep = [
        place for place in np.argsort(-values)[:components] if values[place] > 1e-9 * values[-1]
    ]
    axes = vectors[:, keep].T if tall else (wide.T @ vectors[:, keep]).T
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    result: Array = (axes * signs[:, None]).T.astype(np.float32)
    return result


def linear_head(
    values: Array, labels: Labels, classes: int, shrinkage: float
) -> tuple[Array, Array]:
    """Weights (columns, classes) and bias (classes,) of a linear classifier for equal recall.

    The sum of two that err differently, each in units of its own spread: a shrunken Fisher
    discriminant, best where many speakers were heard, and a regularised logistic regression, best
    where few were.
    """
    wide = values.astype(np.float64)
    weights, bias = np.zeros((wide.shape[1], classes)), np.zeros(classes)
    for slope, offset in (
        _discriminant(wide, labels, classes, shrinkage),
        _logistic(wide, labels, classes),
    ):
        # The same number on every label changes nothing; without it the spread means something.
        level = slope - slope.mean(axis=1, keepdims=True)
        offset = offset - offset.mean()
        spread = max(float((wide @ level + offset).std()), 1e-9)
        weights += level / spread
        bias += offset / spread
    return weights.astype(np.float32), bias.astype(np.float32)


def _logistic(
    values: NDArray[np.float64], labels: Labels, classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Multinomial logistic regression, every class weighing the same."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=_LOGISTIC_STRENGTH, class_weight="balanced", max_iter=300)
    fitted.fit(values, labels)
    slope, offset = fitted.coef_.T, fitted.intercept_
    if classes == 2:  # scikit-learn keeps the log odds of the second alone
        slope, offset = np.hstack([-slope, slope]) / 2, np.array([-offset[0], offset[0]]) / 2
    return slope, offset


def _discriminant(
    wide: NDArray[np.float64], labels: Labels, classes: int, shrinkage: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fisher's discriminant with equal priors, as weights (columns, classes) and bias (classes,).

    Equal priors make it decide for the mean recall, not for the commonest label. The covariance
    within classes is shrunk towards a multiple of the identity (Ledoit & Wolf 2004's target).
    """
    means = np.stack([wide[labels == label].mean(axis=0) for label in range(classes)])
    residual = wide - means[labels]
    # Every class weighs the same here too.
    balance = 1 / (classes * np.bincount(labels, minlength=classes)[labels])
    covariance = (residual * balance[:, None]).T @ residual
    size = len(covariance)
    target = np.eye(size) * (np.trace(covariance) / size + 1e-9)
    weights = np.linalg.solve((1 - shrinkage) * covariance + shrinkage * target, means.T)
    return weights, -0.5 * (means.T * weights).sum(axis=0)
