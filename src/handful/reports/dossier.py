"""``report.html``: a run on one self-contained page, with its pictures in it."""

from pathlib import Path
from typing import Any

from handful.files import write_text
from handful.reports import facts
from handful.reports.command import resume_command, train_command
from handful.reports.figures import pictures
from handful.reports.page import image_source, templates
from handful.reports.picture import Picture
from handful.reports.plots.style import write_figure
from handful.reports.run import Run, read_run
from handful.reports.speeds import bound_of, speeds_of
from handful.reports.words import count, number, task_title
from handful.runs import RunFolder

_ALSO_AS_PNG = "walks"
"""The picture that people paste elsewhere."""


def write_report(path: str | Path) -> Path:
    """Write a run's plots and its page into its folder; an unfinished run gets what there is.

    Returns:
        the page, ``report.html``.

    Raises:
        HandfulError: if there is no run folder, or a file in it is damaged.
    """
    folder, run = RunFolder(path), read_run(path)
    shown = {picture.name: _embed(folder, picture) for picture in pictures(run)}
    write_text(folder.report, _page(run, shown))
    return folder.report


def _embed(folder: RunFolder, picture: Picture) -> dict[str, str]:
    """Write a picture to the folder's plots, and hand it out as a page can hold it."""
    svg = folder.subfolder(folder.plots) / f"{picture.name}.svg"
    png = [svg.with_suffix(".png")] if picture.name == _ALSO_AS_PNG else []
    write_figure(picture.build, svg, *png)
    return {"title": picture.title, "alt": picture.alt, "source": image_source(svg)}


def _page(run: Run, shown: dict[str, dict[str, str]]) -> str:
    environment = templates()
    context: dict[str, Any] = {
        "run": run,
        "results": run.results,
        "pictures": shown,
        "title": task_title(run.problem["name"]),
        "policies": count(run.num_policies, "policy"),
        "users": count(len(run.users), "user"),
        "method_words": facts.method_words(run),
        "settings": facts.settings_rows(run),
        "command": train_command(run),
        "count": count,
        "number": number,
    }
    if run.results is None:
        context |= {"progress": facts.progress(run), "resume_command": resume_command(run)}
        return environment.get_template("unfinished.html.j2").render(context)
    results, speeds = run.results, speeds_of(run)
    context |= {
        "speeds": speeds,
        "bound": bound_of(results),
        "headline": facts.headline(results),
        "measurements": facts.measurements(results),
        "shows_soft": facts.says_more(results, "soft"),
        "shows_reassigned": facts.says_more(results, "reassigned"),
        "findings": facts.findings(results),
        "alternative_rows": facts.alternative_rows(results),
        "assigned_by": results.record.get("assigned_by"),
        "group_rows": facts.group_rows(run, results),
        "policy_rows": facts.policy_rows(results, speeds),
        "worst_rows": facts.user_rows(run, results, speeds, facts.NUM_WORST),
        "user_rows": facts.user_rows(run, results, speeds, facts.MAX_USERS_LISTED),
    }
    return environment.get_template("run.html.j2").render(context)
