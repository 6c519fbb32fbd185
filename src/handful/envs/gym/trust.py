"""Which environments may be made from stored data alone, without their user's word for it.

A run folder or a study file may come from a stranger, and making an environment by name can run
anything: a name may import a module, and so may a feature function or an option. So data alone may
ask only for what Gymnasium and MO-Gymnasium bring with them, with options that hold no text: from
numbers, truth values and lists of them no environment can find out what to import or which file to
read. (highway-env, for one, takes the names of classes as options.)
"""

from collections.abc import Mapping
from typing import Any

from handful.envs.gym.sources import import_gymnasium

TRUSTED = ("gymnasium.envs.", "mo_gymnasium.envs.")
"""Where the classes of the environments are that may be made from data alone."""


def why_consent(env_id: str, parameters: Mapping[str, Any]) -> str | None:
    """Why making a task of Gymnasium needs its user's consent; None where it does not.

    Args:
        env_id: the environment that the task's name asks for.
        parameters: of the task, as the data give them.
    """
    if ":" in env_id:
        return f"the environment '{env_id}' names a module to import"
    if parameters.get("registry"):
        return "the parameter 'registry' names a module to import"
    features = parameters.get("features")
    if isinstance(features, str) and ":" in features:
        return f"the parameter 'features' names a function to call, '{features}'"
    if _holds_text(parameters.get("options")):
        return (
            "the parameter 'options' holds text, by which an environment may import modules or "
            "read files"
        )
    spec = import_gymnasium().registry.get(env_id)
    entry_point = None if spec is None else spec.entry_point
    if not (isinstance(entry_point, str) and entry_point.startswith(TRUSTED)):
        return f"the environment '{env_id}' is none of those that Gymnasium brings with it"
    return None


def why_consent_of_many_rewards(env_id: str, parameters: Mapping[str, Any]) -> str | None:
    """The same of a task of MO-Gymnasium, which registers its environments when it is imported."""
    from handful.envs.gym.tasks import import_mo_gymnasium

    import_mo_gymnasium()
    return why_consent(env_id, parameters)


def _holds_text(value: Any) -> bool:
    """Whether there is text among the values, however deep; the names of a mapping do not count."""
    if isinstance(value, Mapping):
        return any(map(_holds_text, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_text, value))
    return isinstance(value, str)
