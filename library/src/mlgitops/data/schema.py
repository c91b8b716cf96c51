"""schema.yaml: the data contract, as a frozen object."""

import sys
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, model_validator

from mlgitops.core import config

SCHEMA = Path("schema.yaml")
HEADER = """\
# The data contract: `mlgitops validate` refuses a table that breaks it. Review it, then it binds.
# type: number, integer, boolean, category or time. nullable: missing values are allowed.
# range: the lowest and highest value allowed. categories: all that are allowed; without them, any.
# missing: words that mean a missing value; an empty one always does. format: how a number or a
# date is written: thousands as in 1,234 or (1,234), money as in $1,020.00, percent as in 12.5%;
# day_first, month_first. private: true: not in the prediction log; hash: only as a hash.
# To use a column of left_out, move its name to columns with a type.
"""

Format = Literal["thousands", "money", "percent", "day_first", "month_first"]
NUMBER_FORMATS: tuple[Format, ...] = ("thousands", "money", "percent")
FORMATS: dict[str, tuple[Format, ...]] = {
    "number": NUMBER_FORMATS,
    "integer": NUMBER_FORMATS,
    "time": ("day_first", "month_first"),
}
Type = Literal["number", "integer", "boolean", "category", "time"]
Task = Literal["binary", "multiclass", "regression"]


class Column(config.Strict):
    """What one column may hold."""

    type: Type
    nullable: bool = False
    range: tuple[float, float] | None = None
    categories: tuple[str, ...] | None = None
    missing: tuple[str, ...] = ()
    format: Format | None = None
    private: bool | Literal["hash"] = False

    @model_validator(mode="after")
    def _limits_fit_the_type(self) -> Self:
        if self.categories is not None and self.type != "category":
            raise ValueError("only a category has categories")
        if self.range is not None and self.type not in ("number", "integer"):
            raise ValueError("only a number or an integer has a range")
        if self.range is not None and not self.range[0] <= self.range[1]:
            raise ValueError("a range is [lowest, highest]")
        if self.format is not None and self.format not in FORMATS.get(self.type, ()):
            raise ValueError(f"the format {self.format} is none of type {self.type}")
        return self


class Schema(config.Strict):
    """The columns of the table, which one is predicted, and what the rows are grouped by."""

    task: Task
    target: str
    time: str | None = None
    slices: tuple[str, ...] = ()
    columns: dict[str, Column]
    left_out: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for role, name in [
            ("target", self.target),
            *([("time", self.time)] if self.time else []),
            *(("slices", name) for name in self.slices),
        ]:
            if name not in self.columns:
                raise ValueError(f"{role}: {name!r} is not among the columns")
        if self.target == self.time:
            raise ValueError("the target cannot be the time column")
        if not self.features:
            raise ValueError("no column is left to predict from")
        if self.columns[self.target].nullable:
            raise ValueError("the target cannot be nullable")
        wanted = ("number", "integer") if self.task == "regression" else ("category", "integer")
        if self.columns[self.target].type not in wanted:
            raise ValueError(f"the target of a {self.task} is of type {' or '.join(wanted)}")
        return self

    @property
    def features(self) -> dict[str, Column]:
        """The columns that the model sees: all but the target, the time and other timestamps."""
        return {
            name: column
            for name, column in self.columns.items()
            if name not in (self.target, self.time) and column.type != "time"
        }


def load(path: Path = SCHEMA) -> Schema:
    """schema.yaml; a UserError that names the first wrong key."""
    return config.parse(Schema, config.read(path), str(path))


def dump(schema: Schema) -> str:
    """The text of schema.yaml: one line a column."""
    plain = schema.model_dump(mode="json", exclude_defaults=True)
    columns = plain.pop("columns")
    for column in columns.values():
        # 0 to 9000, not 0.0 to 9000.0
        if "range" in column:
            column["range"] = [int(end) if end == int(end) else end for end in column["range"]]
    left_out = plain.pop("left_out", {})
    head = {"task": None, "target": None, "time": None, "slices": []} | plain
    return "".join(
        [
            HEADER,
            *(_line(key, value) for key, value in head.items()),
            "columns:\n",
            *(f"  {_line(name, column)}" for name, column in columns.items()),
            "left_out:\n" if left_out else "left_out: {}\n",
            *(f"  {_line(name, reason)}" for name, reason in left_out.items()),
        ]
    )


def _line(key: str, value: object) -> str:
    """One key and its value on one line; each apart, as YAML breaks a mapping at a long key."""
    return f"{_flow(key)}: {_flow(value)}\n"


def _flow(value: object) -> str:
    """A value on one line: a YAML flow sequence without the outer brackets."""
    flow = yaml.dump(
        [value],
        Dumper=Lines,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        width=sys.maxsize,
    )
    return str(flow).strip()[1:-1]


class Lines(yaml.SafeDumper):
    """Writes every text on one line: one with line breaks in double quotes, where it is escaped."""

    def text(self, value: str) -> yaml.ScalarNode:
        """The text as YAML."""
        style = None if len(f"{value}.".splitlines()) == 1 else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Lines.add_representer(str, Lines.text)
