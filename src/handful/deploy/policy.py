"""One policy of a bundle: a network of the library's own, computed by NumPy.

A policy subtracts a mean from an observation, divides by a standard deviation, and clips. Layers
follow, with a tanh after each but the last. The result are the logits of finite actions, or the
means of continuous ones; if actions are squashed, it is twice as many numbers, of which the second
half are the logarithms of standard deviations.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handful.deploy.arrays import metadata_of, read_safetensors
from handful.errors import HandfulError

ABOUT = "policy"
"""The entry of a policy file's metadata that holds, as JSON, what is no array."""

MOST_LAYERS = 64
"""The most layers of a network."""


@dataclass(frozen=True, eq=False)
class Policy:
    """A policy that maps vectors to what its network puts out.

    Attributes:
        mean: the mean of each entry of an observation, [O].
        variance: the variance of each entry, [O].
        epsilon: a number that is added to variances, so that no scale is infinite.
        count: the number of observations that these statistics are of.
        clip: the largest absolute value of a normalised entry; infinite if none is clipped.
        layers: the weight [I, H] and the bias [H] of each layer.
        num_symbols: how many symbols the first layer looks up; None if it multiplies.
        log_std: the logarithms of the standard deviations [A] that do not depend on observations;
            None if actions are finite or squashed.
    """

    mean: NDArray[Any]
    variance: NDArray[Any]
    epsilon: float
    count: float
    clip: float
    layers: tuple[tuple[NDArray[Any], NDArray[Any]], ...]
    num_symbols: int | None
    log_std: NDArray[Any] | None

    @cached_property
    def scale(self) -> NDArray[Any]:
        """The inverse of each entry's standard deviation, [O]."""
        return 1.0 / np.sqrt(self.variance + np.float32(self.epsilon))

    @property
    def observation_size(self) -> int:
        """The number ``O`` of entries of an observation."""
        return self.mean.shape[0]

    @property
    def num_outputs(self) -> int:
        """The number ``H`` of outputs of the network."""
        return self.layers[-1][1].shape[0]

    def outputs(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the logits or the means [M, H] at observations.

        Args:
            rows: the observations, float32 [M, O].

        Raises:
            HandfulError: if an observation has to be a symbol and is none.
        """
        # Of a single observation, NumPy computes arrays of the same shape three times as fast as a
        # row [1, O] with a vector [O]: so constants are rows here.
        mean, scale, low, high, layers = self._rows
        values = rows - mean
        values *= scale
        if self.clip < math.inf:
            values = np.minimum(np.maximum(values, low), high)
        last = len(layers) - 1
        for index, (weight, bias) in enumerate(layers):
            if index == 0 and self.num_symbols is not None:
                values = weight[self._symbols(values, self.num_symbols)]
            else:
                values = values.dot(weight)
            values += bias
            if index < last:
                np.tanh(values, out=values)
        return values

    @cached_property
    def _rows(self) -> tuple[Any, ...]:
        """The mean, the scale and the ends of the clipping, [1, O]; layers with biases [1, H]."""
        ends = (np.full_like(self.mean, end)[None] for end in (-self.clip, self.clip))
        layers = tuple((weight, bias[None]) for weight, bias in self.layers)
        return self.mean[None], self.scale[None], *ends, layers

    @staticmethod
    def _symbols(values: NDArray[Any], number: int) -> NDArray[Any]:
        found = np.rint(values[:, 0] * number)
        if not ((found >= 0) & (found < number)).all():
            raise HandfulError(
                f"An observation is none of the {number} that the policies know: it must be a "
                f"number from 0 to {number - 1}, divided by {number}."
            )
        return found.astype(np.int64)


def read_policy(data: bytes, source: str) -> Policy:
    """Return the policy of a file.

    Args:
        data: the content of the file.
        source: its path, for error messages.

    Raises:
        HandfulError: if the file is damaged or does not hold one whole policy.
    """
    arrays, about = read_safetensors(data, source)
    said = metadata_of(about, ABOUT, source)
    try:
        if not isinstance(said, dict):
            raise _Fault("what it says of its network is no mapping")
        return _made(dict(arrays), said)
    except _Fault as fault:
        raise HandfulError(
            f"'{source}' does not hold a policy: {fault}. Get another copy of the bundle."
        ) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HandfulError(
            f"'{source}' does not hold a policy as this version of handful reads it "
            f"({type(error).__name__}: {error})."
        ) from None


class _Fault(Exception):
    """What is wrong with a policy, as the end of a sentence."""


def _made(arrays: dict[str, NDArray[Any]], said: Mapping[str, Any]) -> Policy:
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise _Fault(f"'{name[:40]}' must hold finite numbers in single precision")
    names = said["layers"]
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_LAYERS:
        raise _Fault(f"it must have from 1 to {MOST_LAYERS} layers")
    if said["activation"] != "tanh" or said["first_layer"] not in ("affine", "lookup"):
        raise _Fault("its network is of a kind that this version does not know")
    mean, variance = arrays.pop("observations/mean"), arrays.pop("observations/variance")
    log_std = arrays.pop("log_std", None)
    observed = arrays.pop("observations/count")
    layers = tuple((arrays.pop(f"{n}/weight"), arrays.pop(f"{n}/bias")) for n in names)
    if arrays:
        raise _Fault(f"nothing is known of its array '{min(arrays)[:40]}'")
    epsilon, clip = said["epsilon"], said["clip"]
    if not all(
        isinstance(v, int | float) and v > 0 for v in (epsilon, 1 if clip is None else clip)
    ):
        raise _Fault("its clip and its epsilon must be positive numbers")
    sizes_fit = mean.ndim == 1 and variance.shape == mean.shape and observed.shape == ()
    if not sizes_fit or (variance < 0).any() or observed < 0:
        raise _Fault("the statistics of its observations do not fit each other")
    looks_up = said["first_layer"] == "lookup"
    size = layers[0][0].shape[0] if looks_up else mean.shape[0]
    if looks_up and mean.shape[0] != 1:
        raise _Fault("a network that looks symbols up sees one number")
    for weight, bias in layers:
        if weight.ndim != 2 or weight.shape[0] != size or bias.shape != weight.shape[1:]:
            raise _Fault("the shapes of its layers do not fit each other")
        size = weight.shape[1]
    if log_std is not None and log_std.shape != (size,):
        raise _Fault("the spread of its actions has another size than its actions")
    return Policy(
        mean=mean,
        variance=variance,
        epsilon=float(epsilon),
        count=float(observed),
        clip=math.inf if clip is None else float(clip),
        layers=layers,
        num_symbols=layers[0][0].shape[0] if looks_up else None,
        log_std=log_std,
    )
