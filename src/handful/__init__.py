"""handful: a handful of policies for everyone.

Train ``k`` policies for ``n`` users who want different things from one environment, decide who
gets which, and say how far from the best possible it ended.

    import handful

    problem = handful.make("resource-gathering")
    result = handful.train(problem, num_policies=5, method="em", seed=0)
    result.evaluation.welfare
    handful.optimum(problem, num_policies=5).welfare
"""

TYPE_CHECKING = False  # as type checkers know it; importing typing costs the command line time
if TYPE_CHECKING:
    from typing import Any

    from handful.check.check import check_env
    from handful.check.findings import Conformance
    from handful.choice.choose import Selection, choose, choose_each
    from handful.choice.floors import Floor
    from handful.choice.infeasible import FloorsNotMet
    from handful.choice.robust import RobustSelection, choose_robustly
    from handful.deploy import Bundle, load
    from handful.devices import use_cores
    from handful.domains.tabular.optimum import exact_returns
    from handful.domains.tabular.problem import tabular_problem
    from handful.environment import Box, Discrete, Environment, TimeStep
    from handful.envs.drawn import with_draw
    from handful.envs.gym.problem import from_gymnasium
    from handful.envs.history import with_history
    from handful.errors import HandfulError, HandfulWarning
    from handful.evaluation.gap import optimum
    from handful.evaluation.pool import Pool, pool
    from handful.evaluation.references import References, evaluate_references
    from handful.evaluation.returns import Evaluation, evaluate
    from handful.exact.bound import Optimum
    from handful.learner import PPO, SAC, Counting, Learner, register_learner
    from handful.learner.builders import register_network
    from handful.learner.policies import Policies
    from handful.methods import (
        AssignmentMethod,
        EpisodeMemory,
        Feedback,
        Intervention,
        MethodInfo,
        RateRound,
        Scene,
        Schedule,
        Trainable,
        make_method,
        register_method,
    )
    from handful.population import Population
    from handful.problem import RMDP, make, register, tasks
    from handful.routing import Belief, Router, Routes
    from handful.service import Comparison, Service
    from handful.training.config import CollectConfig, TrainConfig
    from handful.training.frontier import resume_frontier, train_frontier
    from handful.training.frontier_result import FrontierResult, read_frontier
    from handful.training.loop import resume, train, train_run
    from handful.training.preflight import prepare
    from handful.training.records.services import Reassignment, assign_users, compare
    from handful.training.records.stored_run import StoredRun, load_run
    from handful.training.result import TrainResult
    from handful.training.run import Run
    from handful.training.session import TrainingInterrupted
    from handful.training.state import TrainState, init_state
    from handful.training.step import StepMetrics, train_step
    from handful.training.watching.callbacks import Callback, ProgressBar
    from handful.training.watching.loggers import Logger, RunStart, Step
    from handful.training.watching.trackers import MLflowLogger, TensorBoardLogger, WandbLogger
    from handful.welfare import register_welfare, utilitarian
    from handful.welfare_functions import (
        CVaR,
        Gini,
        GroupWelfare,
        PowerMean,
        Welfare,
        parse_welfare,
    )

__version__ = "0.2.0"

_HOME = {
    "parse_welfare": "handful.welfare_functions",
    "choose_each": "handful.choice.choose",
    "choose_robustly": "handful.choice.robust",
    "RobustSelection": "handful.choice.robust",
    "choose": "handful.choice.choose",
    "Welfare": "handful.welfare_functions",
    "Selection": "handful.choice.choose",
    "PowerMean": "handful.welfare_functions",
    "GroupWelfare": "handful.welfare_functions",
    "Gini": "handful.welfare_functions",
    "FloorsNotMet": "handful.choice.infeasible",
    "Floor": "handful.choice.floors",
    "CVaR": "handful.welfare_functions",
    "AssignmentMethod": "handful.methods",
    "Belief": "handful.routing",
    "Box": "handful.environment",
    "Bundle": "handful.deploy",
    "Callback": "handful.training.watching.callbacks",
    "CollectConfig": "handful.training.config",
    "Comparison": "handful.service",
    "Conformance": "handful.check.findings",
    "Counting": "handful.learner",
    "Discrete": "handful.environment",
    "Environment": "handful.environment",
    "EpisodeMemory": "handful.methods",
    "Evaluation": "handful.evaluation.returns",
    "Feedback": "handful.methods",
    "FrontierResult": "handful.training.frontier_result",
    "HandfulError": "handful.errors",
    "HandfulWarning": "handful.errors",
    "Intervention": "handful.methods",
    "Learner": "handful.learner",
    "Logger": "handful.training.watching.loggers",
    "MLflowLogger": "handful.training.watching.trackers",
    "MethodInfo": "handful.methods",
    "Optimum": "handful.exact.bound",
    "PPO": "handful.learner",
    "Policies": "handful.learner.policies",
    "Pool": "handful.evaluation.pool",
    "Population": "handful.population",
    "ProgressBar": "handful.training.watching.callbacks",
    "RMDP": "handful.problem",
    "RateRound": "handful.methods",
    "Reassignment": "handful.training.records.services",
    "References": "handful.evaluation.references",
    "Router": "handful.routing",
    "Routes": "handful.routing",
    "RunStart": "handful.training.watching.loggers",
    "Scene": "handful.methods",
    "Schedule": "handful.methods",
    "SAC": "handful.learner",
    "Step": "handful.training.watching.loggers",
    "TensorBoardLogger": "handful.training.watching.trackers",
    "TimeStep": "handful.environment",
    "Run": "handful.training.run",
    "Service": "handful.service",
    "StepMetrics": "handful.training.step",
    "StoredRun": "handful.training.records.stored_run",
    "TrainConfig": "handful.training.config",
    "TrainResult": "handful.training.result",
    "TrainState": "handful.training.state",
    "Trainable": "handful.methods",
    "TrainingInterrupted": "handful.training.session",
    "WandbLogger": "handful.training.watching.trackers",
    "assign_users": "handful.training.records.services",
    "check_env": "handful.check.check",
    "compare": "handful.training.records.services",
    "evaluate": "handful.evaluation.returns",
    "evaluate_references": "handful.evaluation.references",
    "exact_returns": "handful.domains.tabular.optimum",
    "from_gymnasium": "handful.envs.gym.problem",
    "init_state": "handful.training.state",
    "load": "handful.deploy",
    "load_run": "handful.training.records.stored_run",
    "make": "handful.problem",
    "make_method": "handful.methods",
    "optimum": "handful.evaluation.gap",
    "pool": "handful.evaluation.pool",
    "prepare": "handful.training.preflight",
    "read_frontier": "handful.training.frontier_result",
    "resume_frontier": "handful.training.frontier",
    "train_frontier": "handful.training.frontier",
    "register": "handful.problem",
    "register_learner": "handful.learner",
    "register_method": "handful.methods",
    "register_network": "handful.learner.builders",
    "register_welfare": "handful.welfare",
    "resume": "handful.training.loop",
    "tabular_problem": "handful.domains.tabular.problem",
    "tasks": "handful.problem",
    "train": "handful.training.loop",
    "train_run": "handful.training.loop",
    "train_step": "handful.training.step",
    "use_cores": "handful.devices",
    "utilitarian": "handful.welfare",
    "with_draw": "handful.envs.drawn",
    "with_history": "handful.envs.history",
}

__all__ = [
    "PPO",
    "RMDP",
    "SAC",
    "AssignmentMethod",
    "Belief",
    "Box",
    "Bundle",
    "CVaR",
    "Callback",
    "CollectConfig",
    "Comparison",
    "Conformance",
    "Counting",
    "Discrete",
    "Environment",
    "EpisodeMemory",
    "Evaluation",
    "Feedback",
    "Floor",
    "FloorsNotMet",
    "FrontierResult",
    "Gini",
    "GroupWelfare",
    "HandfulError",
    "HandfulWarning",
    "Intervention",
    "Learner",
    "Logger",
    "MLflowLogger",
    "MethodInfo",
    "Optimum",
    "Policies",
    "Pool",
    "Population",
    "PowerMean",
    "ProgressBar",
    "RateRound",
    "Reassignment",
    "References",
    "RobustSelection",
    "Router",
    "Routes",
    "Run",
    "RunStart",
    "Scene",
    "Schedule",
    "Selection",
    "Service",
    "Step",
    "StepMetrics",
    "StoredRun",
    "TensorBoardLogger",
    "TimeStep",
    "TrainConfig",
    "TrainResult",
    "TrainState",
    "Trainable",
    "TrainingInterrupted",
    "WandbLogger",
    "Welfare",
    "assign_users",
    "check_env",
    "choose",
    "choose_each",
    "choose_robustly",
    "compare",
    "evaluate",
    "evaluate_references",
    "exact_returns",
    "from_gymnasium",
    "init_state",
    "load",
    "load_run",
    "make",
    "make_method",
    "optimum",
    "parse_welfare",
    "pool",
    "prepare",
    "read_frontier",
    "register",
    "register_learner",
    "register_method",
    "register_network",
    "register_welfare",
    "resume",
    "resume_frontier",
    "tabular_problem",
    "tasks",
    "train",
    "train_frontier",
    "train_run",
    "train_step",
    "use_cores",
    "utilitarian",
    "with_draw",
    "with_history",
]


def __getattr__(name: str) -> "Any":
    """Import a public name when it is first used: `handful --help` need not wait for JAX."""
    if name not in _HOME:
        raise AttributeError(f"module 'handful' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """Return what the library exports: not what it is made of."""
    return [*__all__, "__version__"]
