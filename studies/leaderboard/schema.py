"""What a row of the leaderboard must say, and how the file is read and written."""

import csv
import io
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from handful._support.files import write_text
from handful.catalogue import find_task
from handful.errors import HandfulError

OURS = "handful"
"""The author of the rows that are made from this library's own results."""

MOST_LUCK = 0.5
"""Percentage points by which measured welfare may exceed the optimum: episodes have chance."""

KEY = ("task", "policies", "users", "method", "author", "transitions")
"""No two rows agree in all of these columns."""


def _one_line(text: str) -> str:
    if text.splitlines() != [text]:
        raise ValueError("must be one line")
    return text


def _known_task(name: str) -> str:
    """The package of a task of Gymnasium need not be installed here."""
    try:
        find_task(name)
    except HandfulError as error:
        raise ValueError(str(error).removesuffix(".")) from None
    return name


def _seeds(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError("must be different whole numbers")
    return seeds


Line = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]
Count = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Error = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Row(BaseModel):
    """One method on one task with one budget, as a mean over training seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    task: Annotated[Line, AfterValidator(_known_task)] = Field(
        description="the task's name in `handful tasks`"
    )
    policies: Count = Field(description="the budget k")
    users: Count = Field(description="the number of users n")
    method: Line = Field(description="the method's name, with its settings where there are several")
    author: Line = Field(description="who made the method and its code")
    seeds: Annotated[
        tuple[int, ...], Field(min_length=1), BeforeValidator(_seeds), AfterValidator(_different)
    ] = Field(description="the training seeds, with blanks between them")
    transitions: Count = Field(description="the transitions that training took, per policy")
    welfare: Number = Field(
        description="the mean over seeds, with likeliest actions, on fresh episodes"
    )
    welfare_stderr: Error | None = Field(
        None, description="the standard error of the welfare over seeds; empty for one seed"
    )
    percent: Number | None = Field(
        None, description="the mean percentage of the optimum for each seed's own users"
    )
    percent_stderr: Error | None = Field(
        None, description="the standard error of the percentage over seeds; empty for one seed"
    )
    optimum_kind: Literal["exact", "upper bound"] | None = Field(
        None, description="what the percentage is of: `exact` or `upper bound`"
    )
    command: Line = Field(description="one line of shell that trains and evaluates all seeds")
    version: Line | None = Field(None, description="the version of the software")
    commit: Line | None = Field(None, description="the commit of its source")
    url: Line | None = Field(None, description="where its source or paper is")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Row":
        if self.policies > self.users:
            raise ValueError(f"{self.policies} policies are more than the {self.users} users")
        if self.percent is None:
            return self
        if self.optimum_kind is None:
            raise ValueError("a percent needs an optimum_kind, 'exact' or 'upper bound'")
        if self.percent > 100.0 + MOST_LUCK:
            raise ValueError(
                f"{self.percent} percent of the optimum is more than 100, by more than the chance "
                f"of the evaluation's episodes explains"
            )
        if self.percent < 0 <= self.welfare:
            raise ValueError(f"the percent {self.percent} is negative, and the welfare is not")
        return self

    @property
    def key(self) -> tuple[Any, ...]:
        """What only this row may have."""
        return tuple(getattr(self, name) for name in KEY)

    @property
    def order(self) -> tuple[Any, ...]:
        """Where the row stands in the file: the best row of a task and a budget comes first."""
        return (self.task, self.policies, self.users, -self.welfare, self.method)

    def cells(self) -> dict[str, str]:
        """The row as the file holds it."""
        values = {name: getattr(self, name) for name in COLUMNS}
        values["seeds"] = " ".join(map(str, self.seeds))
        return {name: "" if value is None else str(value) for name, value in values.items()}


COLUMNS = tuple(Row.model_fields)


def read_rows(path: Path) -> list[Row]:
    """Read and check a file of rows.

    Raises:
        HandfulError: with one sentence that names what is wrong, its row (from 1, the header not
            counted) and its column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise HandfulError(f"'{path}' cannot be read as a CSV file in UTF-8 ({error}).") from None
    rows: list[Row] = []
    first: dict[tuple[Any, ...], int] = {}
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, cells in enumerate(reader, 1):
            row = _row(cells, f"'{path}', row {number}")
            if first.setdefault(row.key, number) != number:
                raise HandfulError(
                    f"'{path}', row {number}: row {first[row.key]} has the same "
                    f"{', '.join(KEY[:-1])} and {KEY[-1]} already."
                )
            rows.append(row)
    except csv.Error as error:
        raise HandfulError(f"'{path}' is no CSV file ({error}).") from None
    return rows


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write rows as a CSV file, in their order, all or nothing."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.cells() for row in sorted(rows, key=lambda row: row.order))
    write_text(path, text.getvalue())


def merged(rows: list[Row], added: list[Row]) -> list[Row]:
    """Both lists; an added row replaces the one with the same key."""
    replaced = {row.key for row in added}
    return [row for row in rows if row.key not in replaced] + added


def schema_table() -> str:
    """The columns as a table in Markdown."""
    lines = ["| column | required | meaning |", "| --- | --- | --- |"]
    for name, field in Row.model_fields.items():
        required = "yes" if field.is_required() else "no"
        lines.append(f"| `{name}` | {required} | {field.description} |")
    return "\n".join(lines)


def _row(cells: dict[Any, Any], place: str) -> Row:
    """One row of a file; ``place`` names it in sentences."""
    if None in cells or None in cells.values():
        raise HandfulError(f"{place} has another number of cells than the header.")
    try:
        return Row.model_validate({name: value for name, value in cells.items() if value.strip()})
    except ValidationError as error:
        fault = error.errors()[0]
        column = f", column '{fault['loc'][0]}'" if fault["loc"] else ""
        said = fault["msg"].removeprefix("Value error, ")
        raise HandfulError(f"{place}{column}: {said} (it has {fault['input']!r}).") from None
