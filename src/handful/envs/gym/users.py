"""Random users of any features, for a first try before there is a table of real ones."""

import numpy as np

from handful.draws import check_draw
from handful.errors import HandfulError
from handful.types import NumpyArray


def sample_weights(
    num_users: int, num_features: int, seed: int, concentration: float = 1.0
) -> NumpyArray:
    """Weights [N, D], each row from a symmetric Dirichlet distribution: none below 0, in sum 1.

    Args:
        num_users: ``N``.
        num_features: ``D``.
        seed: of the draw.
        concentration: 1 is uniform over all mixtures; below 1 users care about few features each,
            above 1 they are alike.

    Raises:
        HandfulError: for no users, a negative seed, or a concentration that is not positive.
    """
    check_draw(num_users, seed)
    if not 0.0 < concentration < np.inf:
        raise HandfulError(f"The concentration must be positive and finite, not {concentration}.")
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(num_features, concentration), size=num_users)
