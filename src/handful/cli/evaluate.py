"""The command ``handful evaluate``."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from handful._support.files import check_writable
from handful.cli.output import evaluation_summary, print_json, say, show
from handful.errors import HandfulError

OUT_OF_MEMORY = "RESOURCE_EXHAUSTED"
"""The beginning of XLA's message when memory is exhausted."""


@dataclass
class Evaluate:
    """Measure a run's policies on fresh episodes and compare with the optimum."""

    run_folder: tyro.conf.Positional[Path]
    """The run's folder; of an unfinished run the latest checkpoint is measured."""

    episodes: int = 100
    """How many episodes each policy plays, for deterministic and for sampled actions; an even
    number from 4 on."""

    seed: int | None = None
    """The seed of the evaluation episodes; by default the one that the run was evaluated with."""

    trust: bool = False
    """Allow the folder to choose code that is run, as its environment or its welfare function may
    need; use it only for folders that you trust."""

    returns: Path | None = None
    """A Parquet file to write: a row for each user, with their mean return from each policy."""

    json: bool = False
    """Print the evaluation as JSON."""

    def run(self) -> None:
        """Evaluate and print."""
        from jax.errors import JaxRuntimeError

        from handful.devices import keep_compiled_programs
        from handful.evaluation.gap import measure_gap
        from handful.evaluation.returns import evaluate
        from handful.results.tables import import_polars, write_parquet
        from handful.training.records.run_reader import handed_out, open_run
        from handful.training.records.run_writer import evaluation_record
        from handful.training.watching.callbacks import EpisodesReport, ProgressBar

        if self.returns is not None:  # before anything is played
            import_polars()
            if self.returns.is_dir():
                raise HandfulError(f"'{self.returns}' is a folder: name a file with --returns.")
            check_writable(self.returns.absolute().parent)
        keep_compiled_programs()
        folder, run = open_run(self.run_folder, trust=self.trust)
        problem, config, found = run.problem, run.config, handed_out(folder, run)
        update = found.update
        if update < config.num_updates:
            say(f"handful: the run is not finished: update {update} of {config.num_updates}.")
        try:
            with ProgressBar() as bar:
                evaluation = evaluate(
                    problem,
                    found.policies,
                    found.alpha,
                    seed=config.seed if self.seed is None else self.seed,
                    num_episodes=self.episodes,
                    watch=lambda share: bar.on_episodes(EpisodesReport("evaluation", share)),
                    welfare=run.own_welfare,
                    outside=run.claims.options,
                )
        except (JaxRuntimeError, MemoryError) as error:
            if isinstance(error, JaxRuntimeError) and OUT_OF_MEMORY not in str(error):
                raise
            raise HandfulError(
                f"{self.episodes:,} episodes at once do not fit into memory: take fewer."
            ) from None
        if self.returns is not None:
            returns = evaluation.deterministic.returns
            columns = {f"policy_{j}": row for j, row in enumerate(returns)}
            users = list(problem.population.user_ids)
            write_parquet(self.returns, import_polars().DataFrame({"user": users, **columns}))
        gap = None
        if not config.claims.outside:  # what users have without us is in the welfare, too
            gap = measure_gap(problem, config.num_policies, evaluation.welfare, config.welfare)
        training = {"transitions": update * config.collect.batch_size}
        record = evaluation_record(problem, found.policies, evaluation, gap, training)
        if self.json:
            print_json(record)
        else:
            show(evaluation_summary(record, config.num_policies))
