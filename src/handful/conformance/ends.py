"""Checks of how episodes end."""

from collections.abc import Iterator

from handful.conformance.findings import DEFECT, WARNING, Finding
from handful.conformance.play import Episode, same

FINAL = ("final_obs", "final_observation", "final_info", "terminal_observation")
"""What environments that start anew by themselves leave in info."""


def check_ends(
    episodes: list[Episode], own_limit: int | None, given: int | None
) -> Iterator[Finding]:
    """Episodes end by themselves or are cut, at the time that was said."""
    ended = [episode for episode in episodes if episode.ended]
    steps = sum(map(len, episodes))
    if own_limit is None and given is None:
        if not ended:
            yield Finding(
                "ends",
                DEFECT,
                f"No episode ended within {steps:,} random steps, and no time limit is known: give "
                f"one (time_limit), or register the environment with max_episode_steps.",
            )
        elif any(episode.truncated for episode in ended):
            longest = max(len(episode) for episode in ended if episode.truncated)
            yield Finding(
                "ends",
                DEFECT,
                f"An episode was truncated after {longest} steps, but the environment declares no "
                f"time limit: give it (time_limit={longest}, if that is the one).",
            )
        else:
            yield Finding(
                "ends",
                WARNING,
                f"The environment declares no time limit: give one for training (time_limit; the "
                f"longest of {len(ended)} random episodes had {max(map(len, ended))} steps).",
            )
    if own_limit is not None:
        yield from _declared(episodes, own_limit)
    yield from _final(ended)


def _declared(episodes: list[Episode], limit: int) -> Iterator[Finding]:
    if any(len(episode) > limit for episode in episodes):
        yield Finding(
            "time-limit",
            DEFECT,
            f"The environment declares {limit} steps, and an episode went on after them: wrap it "
            f"in gymnasium.wrappers.TimeLimit, or give the right time_limit.",
        )
    at_limit = [episode for episode in episodes if len(episode) == limit]
    if len(at_limit) >= 3 and all(e.terminated and not e.truncated for e in at_limit):
        yield Finding(
            "truncation",
            DEFECT,
            f"All {len(at_limit)} episodes that reached the time limit of {limit} steps ended as "
            f"terminated: a cut by the clock is truncated=True, as what would have come after it "
            f"still counts.",
        )


def _final(ended: list[Episode]) -> Iterator[Finding]:
    for episode in ended:
        key = next((name for name in FINAL if name in episode.infos[-1]), None)
        if key:
            yield Finding(
                "final-observation",
                DEFECT,
                f"The environment starts anew by itself in the step that ends an episode (info has "
                f"'{key}'): take off the wrapper that resets it, and return the final observation.",
            )
            return
    long = [episode for episode in ended if len(episode) > 1]
    if len(long) >= 3 and all(_ends_where_it_began(episode) for episode in long):
        yield Finding(
            "final-observation",
            WARNING,
            f"The last observation of all {len(long)} episodes is their first: if step() calls "
            f"reset() at the end, let it return the final observation instead.",
        )


def _ends_where_it_began(episode: Episode) -> bool:
    return same(episode.observations[-1], episode.observations[0]) and not same(
        episode.observations[-2], episode.observations[0]
    )
