"""Welfare functions: from the utilities of all users to one number, and what each user weighs.

A user's utility is the return that the user expects from the policy that serves them. A welfare
function ``W`` enters training only through its gradient: the reward of user ``i`` counts
:math:`w_i = N \\, \\partial W / \\partial u_i` in the reward of the policy that serves them. The
factor ``N`` makes every weight 1 for the utilitarian welfare of the paper (equation 2).

A welfare function of somebody else is a function of ``jax.numpy`` from the utilities [N] to one
number. It must not fall if a user earns more, and must have a gradient almost everywhere. It is
given to training as a function, or by the name that it was registered with.
"""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from handful._support.checks import brief, did_you_mean
from handful._support.foreign import told
from handful._support.registry import import_named
from handful.errors import HandfulError
from handful.types import Array, Bool, Float, NumpyArray
from handful.welfare_functions import FAMILIES, Welfare, parse_welfare

WelfareFn = Callable[[Float[Array, " N"]], Float[Array, ""]]
"""A function from the utilities of all users to their welfare."""


def utilitarian(utilities: Float[Array, " N"]) -> Float[Array, ""]:
    """Give the mean utility of the users: the welfare of the paper (equation 2) for one user.

    Args:
        utilities: what each user expects to earn from an episode.

    Returns:
        The mean, in the unit of returns.
    """
    return jnp.mean(utilities)


UTILITARIAN = "utilitarian"
"""The name of :func:`utilitarian`, which is the welfare unless a caller chooses another one."""

WELFARES: dict[str, WelfareFn] = {UTILITARIAN: utilitarian}
"""Every welfare function that ``--welfare`` knows; :func:`register_welfare` adds to it."""


def user_weights(welfare: WelfareFn, utilities: Float[Array, " N"]) -> Float[Array, " N"]:
    """Give what one more unit of return for each user is worth, relative to an even share.

    Args:
        welfare: the welfare function.
        utilities: what each user expects to earn.

    Returns:
        :math:`N \\, \\partial W / \\partial u_i` for each user.
    """
    return utilities.shape[0] * jax.grad(welfare)(utilities)


def with_outside(welfare: WelfareFn, options: NumpyArray) -> WelfareFn:
    """Give the welfare if every user gets the larger of a utility and the outside option.

    Args:
        welfare: the welfare function of what users get in all.
        options: what each user gets without us, [N].
    """
    outside = jnp.asarray(options, jnp.float32)

    def of_both(utilities: Float[Array, " N"]) -> Float[Array, ""]:
        return welfare(jnp.maximum(utilities, outside))

    return of_both


LEAST_WEIGHT = -1e-4
"""A user's weight below this is negative; one above it may be zero up to rounding."""


def is_defined(value: Float[Array, ""], weights: Float[Array, " N"]) -> Bool[Array, ""]:
    """Say whether a welfare and its weights can be used.

    Args:
        value: the welfare.
        weights: what each user counts in it.

    Returns:
        Whether all of them are finite numbers, and no weight is negative.
    """
    are_weights = jnp.all(jnp.isfinite(weights) & (weights >= LEAST_WEIGHT))
    return jnp.isfinite(value) & are_weights


def welfare_and_weights(welfare: WelfareFn, utilities: NumpyArray) -> tuple[float, NumpyArray]:
    """Compute the welfare of utilities that are known on the host, and :func:`user_weights` there.

    Args:
        welfare: the welfare function.
        utilities: [N] what each user expects to earn.

    Returns:
        The welfare, and the users' weights as float64 [N]; both are computed in single precision,
        as in training.

    Raises:
        HandfulError: if the welfare function is not defined there.
    """
    there = jnp.asarray(utilities, jnp.float32)
    value, gradient = jax.value_and_grad(welfare)(there)
    weights = len(utilities) * gradient
    if not is_defined(value, weights):
        raise undefined_welfare(f"where the users earn from {there.min():g} to {there.max():g}")
    return float(value), np.asarray(weights, np.float64)


def welfare_of(welfare: WelfareFn, utilities: NumpyArray) -> float:
    """Compute the welfare of utilities [N] that are known on the host.

    The utilitarian welfare is their mean in double precision; others are computed in single
    precision, as in training.

    Raises:
        HandfulError: if the welfare function is not defined there.
    """
    if welfare is utilitarian:
        return float(np.mean(utilities))
    return welfare_and_weights(welfare, utilities)[0]


def undefined_welfare(where: str) -> HandfulError:
    """Make the error for a welfare function that is not defined at returns that users get.

    Args:
        where: the place, as the end of a sentence's first part.
    """
    return HandfulError(
        f"The welfare function has no finite value, no finite gradient or a negative one {where}: "
        f"it must be defined for all returns that a policy can give a user, so let it keep away "
        f"from places like log(0), for example with a larger c in jnp.log(c + u)."
    )


def register_welfare(name: str, welfare: WelfareFn) -> None:
    """Give a welfare function a name, by which training and run folders know it.

    Args:
        name: the name; the same function may be registered again under the name that it has.
        welfare: a function of ``jax.numpy`` from the utilities [N] of all users to one number.

    Raises:
        HandfulError: if the name belongs to another function, or the welfare is no function.
    """
    _check_callable(welfare)
    if not name or not isinstance(name, str) or WELFARES.get(name, welfare) is not welfare:
        raise HandfulError(
            f"The name {brief(name)} cannot be given to a welfare function: choose another one, "
            f"which no other welfare function has."
        )
    WELFARES[name] = welfare


def load_welfare(name: str) -> None:
    """Register a function of a family, or import the one that ``module:function`` names.

    Other names are left alone.

    Only a name that the caller gave, or that stands in a file that the caller trusts, may come
    here, as importing a module runs its code.

    Raises:
        HandfulError: if the module cannot be imported, or has no such function.
    """
    if _is_of_family(name):
        WELFARES.setdefault(name, parse_welfare(name))
    elif ":" in name and name not in WELFARES:
        register_welfare(name, import_named(name, "welfare function", "function"))


def name_of_welfare(welfare: Any) -> str:
    """Give the name by which a run keeps a welfare function that a caller gave.

    A function without a name is registered as ``module:function``. Where a notebook defines a
    function of that name again, the new one takes its place.

    Args:
        welfare: a function, the name that it was registered with, or ``module:function``.

    Raises:
        HandfulError: if there is no such welfare function, or no name can find it again.
    """
    if isinstance(welfare, str):
        load_welfare(welfare)
        find_welfare(welfare)
        return welfare
    is_named = isinstance(welfare, Welfare) and _is_of_family(welfare.name)
    if is_named and parse_welfare(welfare.name) == welfare:
        WELFARES[welfare.name] = welfare
        return welfare.name
    _check_callable(welfare)
    names = [name for name, known in WELFARES.items() if known is welfare]
    if names:
        return min(names, key=lambda name: ":" in name)  # a name that was registered, if any
    module, path = (getattr(welfare, name, "") for name in ("__module__", "__qualname__"))
    if not module or not path or "<" in path:
        raise HandfulError(
            "The welfare function has no name by which its run could find it again, as it is a "
            "lambda, an object, or defined inside another function: define it with def at the top "
            "of a module, or give it a name with handful.register_welfare(name, function)."
        )
    WELFARES[f"{module}:{path}"] = welfare
    return f"{module}:{path}"


def check_welfare_name(name: str) -> None:
    """Look at the name of a welfare function, without importing anything.

    Raises:
        HandfulError: if no function has the name, and it names none in a module either.
    """
    if _is_of_family(name):
        parse_welfare(name)
    elif name not in WELFARES and ":" not in name:
        known = {*(one for one in WELFARES if not _is_of_family(one)), *FAMILIES}
        raise HandfulError(
            f"There is no welfare function named {brief(name)}{did_you_mean(name, known)}: it may "
            f"be {', '.join(sorted(known))}, module:function for a function of your own, or a name "
            f"that handful.register_welfare has given."
        )


def _is_of_family(name: str) -> bool:
    """Return whether a name is that of a function of this library with parameters."""
    return name != UTILITARIAN and re.split("[:@]", name)[0] in FAMILIES


def find_welfare(name: str) -> WelfareFn:
    """Give the welfare function of that name.

    Raises:
        HandfulError: if there is none, or it is in a module that nobody has imported yet.
    """
    check_welfare_name(name)
    if _is_of_family(name):
        load_welfare(name)
    if name not in WELFARES:
        raise HandfulError(
            f"The welfare function '{name}' is not known to this program: import its module and "
            f"call handful.register_welfare('{name}', ...) before, in Python, or if you trust the "
            f"file that names it and that code, say so with --trust (in Python: trust=True)."
        )
    return WELFARES[name]


def check_welfare(name: str, welfare: WelfareFn, num_users: int, usual_return: float) -> None:
    """Look before training whether a welfare function can be trained for.

    It is traced, and its gradient is computed where all users earn nothing, where all earn the
    same, and where they earn different amounts.

    Args:
        name: the function's name, for the sentence.
        welfare: the function.
        num_users: ``N``.
        usual_return: what a user earns who is served well.

    Raises:
        HandfulError: if JAX cannot trace the function, its result is not one number, its value or
            gradient is not finite, or it falls if a user earns more.
    """
    subject = f"The welfare function '{name}'"
    gradient = jax.jit(jax.value_and_grad(welfare))
    try:
        made = jax.eval_shape(welfare, jax.ShapeDtypeStruct((num_users,), jnp.float32))
    except Exception as error:  # code of others raises anything
        raise HandfulError(
            f"{subject} cannot be traced by JAX ({told(error)}): write it in jax.numpy for an "
            f"array of the utilities of all users, without 'if', float() or NumPy on them."
        ) from None
    if getattr(made, "shape", None) != () or not jnp.issubdtype(made.dtype, jnp.floating):
        shape = getattr(made, "shape", None)
        found = f"an array of shape {list(shape)}" if shape else f"a {_kind_of(made)}"
        raise HandfulError(
            f"{subject} must return one number, an array of shape [] and a floating-point type, "
            f"for the utilities of all users, and it returns {found}."
        )
    steps = np.linspace(0.0, 1.0, num_users + 2, dtype=np.float32)[1:-1]
    shuffled = np.random.default_rng(0).permutation(steps)
    places = {
        "every user earns 0, as all do before training": np.zeros_like(steps),
        f"every user earns {usual_return:g}": np.full_like(steps, usual_return),
        f"users earn between 0 and {usual_return:g}": usual_return * shuffled,
    }
    is_flat = True
    for place, utilities in places.items():
        value, slopes = gradient(jnp.asarray(utilities))
        slopes = num_users * slopes
        if not (jnp.isfinite(value) and jnp.all(jnp.isfinite(slopes))):
            raise HandfulError(
                f"{subject} has no finite value or no finite gradient where {place}: keep away "
                f"from such places, for example with jnp.log(1 + u) instead of jnp.log(u)."
            )
        if jnp.any(slopes < LEAST_WEIGHT):
            raise HandfulError(
                f"{subject} falls where a user earns more, where {place}: it must never fall, or "
                f"users would be better served by a policy that earns them less."
            )
        is_flat = is_flat and not bool(jnp.any(slopes > -LEAST_WEIGHT))
    if is_flat:
        raise HandfulError(
            f"{subject} does not change with what any user earns, so nothing can be trained for "
            f"it: let it rise with the utilities."
        )


def _check_callable(welfare: Any) -> None:
    if not callable(welfare) or isinstance(welfare, type):
        raise HandfulError(
            f"A welfare function must be a function from the utilities of all users to one number, "
            f"or the name of one, not {brief(welfare)}."
        )


def _kind_of(made: Any) -> str:
    """Return the kind of a traced function's result, for an error message."""
    dtype = getattr(made, "dtype", None)
    return f"number of type {dtype}" if dtype is not None else type(made).__name__
