"""``report.html``: a run on one self-contained page, with its pictures in it."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from handful._support.controls import shell_line, shell_word
from handful._support.files import write_text
from handful._support.flags import flag_words
from handful.errors import HandfulError
from handful.report import page_rows
from handful.report.fairness import fairness
from handful.report.figures import run_pictures
from handful.report.pictures import Picture, TaskPictures, task_pictures
from handful.report.plots.style import write_figure
from handful.report.run import Run, read_run
from handful.report.wording import count, number, task_title
from handful.run_folder import RunFolder


def templates() -> Environment:
    """Load the templates of the pages; they escape whatever is put into them."""
    return Environment(
        loader=PackageLoader("handful.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def image_source(svg: Path) -> str:
    """Return a picture as an image's source, so that two figures' element ids cannot clash."""
    encoded = base64.b64encode(svg.read_bytes()).decode("ascii")
    return f"data:image/svg+xml;base64,{encoded}"


USERS_FILE = "USERS.csv"
"""What stands for the table that the users came from."""

_APART = (
    "num_policies",
    "method",
    "method_settings",
    "steps",
    "seed",
    "learner",
    "threads",
    "start",
    "continued",
)
"""Settings that have flags of their own, and the threads, which are as many as the machine has that
does the run again. All others belong to the section ``run``, or are a section themselves."""


def train_command(run: Run) -> str | None:
    """Return ``handful train ...`` over several lines.

    There is None for a problem that has no name, and for a run that started from policies.

    Every setting is written out, so that the command does not depend on what a preset or a default
    is in a later version.
    """
    settings = run.settings
    if run.problem["name"] == "custom" or "start" in settings:
        return None
    parameters = dict(run.problem["parameters"])
    # A table of users is too long for a command line: the config has it, the caller has the file.
    learner = settings["learner"]["name"]
    population = USERS_FILE if parameters.pop("population", None) else None
    others = {name: value for name, value in settings.items() if name not in _APART}
    parts = train_parts(
        run.problem["name"],
        settings["num_policies"],
        settings["method"],
        settings["steps"],
        shell_word(settings["seed"]),
        _folder(f"{run.name}-again"),
        population=population,
        parameters=parameters,
        method_settings=settings["method_settings"],
        learner=learner,
        settings={
            "learner" if ":" in learner else learner: {
                n: value for n, value in settings["learner"].items() if n != "name"
            },
            **{n: value for n, value in others.items() if isinstance(value, Mapping)},
        },
        run_settings={n: value for n, value in others.items() if not isinstance(value, Mapping)},
    )
    return " \\\n  ".join(parts)


def train_parts(
    task: str,
    policies: object,
    method: str,
    steps: object,
    seed: str,
    out: str,
    *,
    population: str | None = None,
    preset: str | None = None,
    learner: str | None = None,
    parameters: Mapping[str, Any],
    method_settings: Mapping[str, Any],
    settings: Mapping[str, Mapping[str, Any]],
    run_settings: Mapping[str, Any],
) -> list[str]:
    """Return ``handful train TASK`` and every flag with its value, quoted for the shell.

    Nothing here has been checked: the settings of a run come from its folder, which anybody may
    have written.

    Args:
        task: the name of the task.
        policies: how many.
        method: the name of the method.
        steps: transitions per policy.
        seed: the seed as the shell reads it. The seed and the folder alone are not quoted, since
            the shell may have a variable there.
        out: the folder, as the shell reads it.
        population: the file of the users, if there is one.
        preset: its name, if there is one.
        parameters: the parameters of the task.
        learner: the learner's name, if it is not what suits.
        method_settings: the settings of the method.
        settings: the settings of the learner and of collecting, by section, such as ``ppo`` and
            ``collect``.
        run_settings: the settings that belong neither to the learner nor to the method.
    """
    return [
        shell_line("handful", "train", task),
        *([shell_line("--population", population)] if population else []),
        *_flags("param", parameters),
        shell_line("--policies", policies),
        shell_line("--method", method),
        *_flags("method", method_settings),
        *([shell_line("--preset", preset)] if preset else []),
        *([shell_line("--learner", learner)] if learner else []),
        *[line for section, values in settings.items() for line in _flags(section, values)],
        *_flags("run", run_settings),
        shell_line("--steps", steps),
        f"--seed {seed}",
        f"--out {out}",
    ]


def resume_command(run: Run) -> str:
    """Return the command that continues the run, from the folder above its own."""
    return f"handful resume {_folder(run.name)}"


def _flags(section: str, values: Mapping[str, Any]) -> list[str]:
    return [shell_line(*flag_words(section, name, value)) for name, value in values.items()]


def _folder(name: str) -> str:
    """Return a folder's name as a word of a command that does not take it for an option."""
    return shell_word(f"./{name}" if name.startswith("-") else name)


def write_report(path: str | Path) -> Path:
    """Write a run's plots and its page into its folder; an unfinished run gets what there is.

    Returns:
        the page, ``report.html``.

    Raises:
        HandfulError: if there is no run folder, or a file in it is damaged.
    """
    folder, run = RunFolder(path), read_run(path)
    of_task = task_pictures(run)
    pictures = run_pictures(run, of_task)
    _check_names([picture.name for picture in (*pictures, *of_task.pictures)])
    shown = {picture.name: _embed(folder, picture) for picture in pictures}
    added = {picture.name: _embed(folder, picture) for picture in of_task.pictures}
    write_text(folder.report, _page(run, shown, of_task, added))
    return folder.report


def _check_names(names: list[str]) -> None:
    """Raise HandfulError if two pictures would be one file."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise HandfulError(
            f"Two pictures of the page are named '{twice}': a task must name its own otherwise."
        )


def _embed(folder: RunFolder, picture: Picture) -> dict[str, Any]:
    """Write a picture to the folder's plots, and hand it out as a page can hold it."""
    svg = folder.subfolder(folder.plots) / f"{picture.name}.svg"
    png = [svg.with_suffix(".png")] if picture.is_kept_as_png else []
    write_figure(picture.build, svg, *png)
    return {
        "name": picture.name,
        "title": picture.title,
        "alt": picture.alt,
        "caption": picture.caption,
        "is_wide": picture.is_wide,
        "source": image_source(svg),
    }


def _sections(of_task: TaskPictures, shown: dict[str, dict[str, Any]], first: bool) -> list[Any]:
    """Return the task's sections above or below *Who is served by whom*: heading and pictures."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for picture in of_task.pictures:
        if picture.heading and picture.comes_first == first:
            sections.setdefault(picture.heading, []).append(shown[picture.name])
    return list(sections.items())


def _page(
    run: Run,
    shown: dict[str, dict[str, Any]],
    of_task: TaskPictures,
    added: dict[str, dict[str, Any]],
) -> str:
    environment = templates()
    context: dict[str, Any] = {
        "run": run,
        "results": run.results,
        "pictures": shown,
        "title": task_title(run.problem["name"]),
        "policies": count(run.num_policies, "policy"),
        "users": count(len(run.users), "user"),
        "method_words": page_rows.method_words(run),
        "settings": page_rows.settings_rows(run),
        "command": train_command(run),
        "count": count,
        "number": number,
    }
    if run.results is None:
        context |= {"progress": page_rows.progress(run), "resume_command": resume_command(run)}
        return environment.get_template("unfinished.html.j2").render(context)
    results = run.results
    context |= {
        "of_task": of_task,
        "sections_above": _sections(of_task, added, first=True),
        "served_by": [added[one.name] for one in of_task.pictures if not one.heading],
        "sections_below": _sections(of_task, added, first=False),
        "headline": page_rows.headline(results),
        "measurements": page_rows.measurements(results),
        "shows_soft": page_rows.says_more(results, "soft"),
        "shows_reassigned": page_rows.says_more(results, "reassigned"),
        "findings": page_rows.findings(results),
        "alternative_rows": page_rows.alternative_rows(results),
        "assigned_by": results.record.get("assigned_by"),
        "fairness": fairness(run, results),
        "policy_rows": page_rows.policy_rows(results, of_task),
        "worst_rows": page_rows.user_rows(run, results, of_task, page_rows.NUM_WORST),
        "user_rows": page_rows.user_rows(run, results, of_task, page_rows.MAX_USERS_LISTED),
    }
    return environment.get_template("run.html.j2").render(context)
