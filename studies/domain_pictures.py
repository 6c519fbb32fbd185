"""The pictures of docs/market.md and docs/glucose.md, from runs of their studies.

handful sweep studies/market.yaml && handful sweep studies/glucose.yaml
python studies/domain_pictures.py       # writes docs/images/market.png and glucose.png
"""

from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from handful._support.palette import policy_colour
from handful.collect.episodes import make_player
from handful.domains.market.environment import sharpe_and_taste
from handful.evaluation.gap import optimum
from handful.report.plots.style import FAINT, INK, MUTED, legend_above, write_figure
from handful.run_folder import RunFolder
from handful.training.records.run_reader import handed_out, open_run

IMAGES = Path("docs/images")
SEED = 0
DAYS = 300
"""Of wearers, all different, that every program is tried on."""


def market_figure() -> Figure:
    """What funds are worth to each investor: one for all, five, and one each."""
    figure, axis = plt.subplots(figsize=(7.2, 3.9), layout="constrained")
    squared, _, _ = sharpe_and_taste()
    line = np.geomspace(1, 10, 200)
    axis.plot(line, squared / (2 * line), color=INK, linewidth=1.2, label="a fund of one's own")
    for k, colour, style in ((1, MUTED, "--"), (5, None, "-")):
        folder, run = open_run(f"runs/market/market-em-k{k}-seed{SEED}")
        problem = run.problem
        record = folder.read_evaluation()
        aversion = problem.population.attributes["risk_aversion"]
        best = optimum(problem, k)
        order = np.argsort(aversion)
        worth = best.returns.max(axis=0)[order]
        axis.plot(
            aversion[order],
            worth,
            color=colour or FAINT,
            linestyle=style,
            linewidth=1.2 if k == 1 else 5.0,
            zorder=1,
            label=f"the best {k} in closed form" if k > 1 else "the best one for all",
        )
        if k == 1:
            continue
        utilities = np.array(record["deterministic"]["utilities"])
        for policy in range(k):
            served = np.array(record["assignment"]) == policy
            axis.scatter(
                aversion[served],
                utilities[served],
                s=18,
                color=policy_colour(policy),
                zorder=3,
                label=f"fund {policy}: {served.sum()} investors",
            )
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator([1, 2, 3, 5, 7, 10]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.set_xlabel("relative risk aversion")
    axis.set_ylabel("worth, % a year above cash")
    legend_above(figure, 3)
    return figure


def glucose_figure() -> Figure:
    """A day under each of three programs, and who has which."""
    folder, run = open_run(f"runs/glucose/glucose-em-k3-seed{SEED}")
    problem, policies = run.problem, handed_out(folder, run).policies
    play = make_player(problem, run.num_policies, DAYS, trace=True)
    episodes = play(jax.random.key(12345), policies, True)
    glucose = np.asarray(episodes.outcomes.glucose)  # [days, K, steps]
    assignment = np.array(RunFolder(folder.path).read_evaluation()["assignment"])
    users = problem.population.attributes
    figure, (day, who) = plt.subplots(
        1, 2, figsize=(9.6, 3.9), layout="constrained", width_ratios=(1.5, 1)
    )
    hours = (np.arange(glucose.shape[2]) + 1) / 4
    day.axhspan(40, 70, color="#F3E3E0", zorder=0)
    day.text(0.3, 44, "low", color=MUTED)
    for policy in range(run.num_policies):
        colour = policy_colour(policy)
        low, middle, high = np.percentile(glucose[:, policy], (10, 50, 90), axis=0)
        count = int((assignment == policy).sum())
        day.plot(hours, middle, color=colour, linewidth=2, label=f"program {policy}: {count} users")
        day.fill_between(hours, low, high, color=colour, alpha=0.16, linewidth=0)
        served = assignment == policy
        who.scatter(users["target"][served], users["fear"][served], s=22, color=colour)
    day.set_xlim(0, 24)
    day.set_ylim(40, 320)
    day.set_xticks(range(0, 25, 4))
    day.set_xlabel("hour of the day")
    day.set_ylabel("glucose in the blood, mg/dl")
    who.set_yscale("log")
    who.set_xlabel("target, mg/dl")
    who.set_ylabel("fear of lows")
    who.yaxis.set_major_locator(FixedLocator([0.5, 1, 2, 5, 10, 20]))
    who.yaxis.set_minor_locator(NullLocator())
    who.yaxis.set_major_formatter(ScalarFormatter())
    legend_above(figure, 3)
    return figure


def main() -> None:
    """Write those pictures whose runs are there."""
    for name, build, run in (
        ("market", market_figure, f"runs/market/market-em-k5-seed{SEED}"),
        ("glucose", glucose_figure, f"runs/glucose/glucose-em-k3-seed{SEED}"),
    ):
        if RunFolder(run).is_finished:
            write_figure(build, IMAGES / f"{name}.png")
            print(f"wrote {IMAGES / name}.png")
        else:
            print(f"{run} is not there or not finished: run its study first")


if __name__ == "__main__":
    main()
