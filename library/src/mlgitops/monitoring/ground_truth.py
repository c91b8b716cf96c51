"""Labels that came later, joined to the predictions that they are about."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mlgitops.core.errors import UserError, join_names
from mlgitops.data import contract, reader
from mlgitops.data.schema import Schema
from mlgitops.data.source import Source
from mlgitops.monitoring import log, predictions
from mlgitops.training.exported_model import Labels
from mlgitops.training.metrics import Metrics, measure

ID = "id"
KEY = re.compile(rb'"id": ?"((?:[^"\\]|\\.)*)"')  # the first of a line: it stands before the inputs


class Joined(NamedTuple):
    """Predictions with their labels: about (with `actual`), typed inputs; what found no partner."""

    about: pd.DataFrame
    inputs: pd.DataFrame
    labels: int
    repeated: int

    @property
    def orphans(self) -> int:
        """Labels whose prediction is not in the log."""
        return self.labels - len(self.about)


def read_labels(source: Source, rules: Schema) -> pd.Series:
    """The right answers by the id of a row: request/row; a request alone means its row 0.

    Of several labels of one row the last counts.
    """
    frame, _ = reader.read(source)
    if missing := [name for name in (ID, rules.target) if name not in frame]:
        raise UserError(
            f"{source.name} lacks {join_names(missing)}: it needs the request's id and the target"
        )
    wanted = {rules.target: rules.columns[rules.target].model_copy(update={"nullable": True})}
    table, broken = contract.check(frame[[rules.target]], wanted)
    if not broken.empty:
        raise UserError(f"{source.name}: {contract.summary(broken)[0]}: correct it, then again")
    ids = frame[ID].astype("str")
    keys = ids.where(ids.str.contains("/", regex=False), ids + "/0")
    return pd.Series(table[rules.target].to_numpy(), index=keys, name="actual").dropna()


def join(files: Iterable[Path], labels: pd.Series, rules: Schema) -> Joined:
    """The logged rows that have a label, each once."""
    given, last = len(labels), labels[~labels.index.duplicated(keep="last")]
    known = last.to_dict()
    found: dict[str, dict[str, Any]] = {}
    for path in files:
        if reader.form_of(path.name) not in log.LINES:
            raise UserError(f"{path}: labels belong to a prediction log: LOG=its folder")
        for line in lines_of(path, known):
            one = next(log.parse([line]))
            found[str(one["id"])] = one
    rows = list(found.values())
    about = log.about(rows)
    about["actual"] = [known[key] for key in found]
    frame = pd.DataFrame([one["inputs"] for one in rows])
    there = {name: one for name, one in rules.features.items() if name in frame}
    typed, _ = contract.cast_table(frame, there)
    return Joined(about, typed, len(last), given - len(last))


def lines_of(path: Path, known: Mapping[str, object]) -> Iterable[bytes]:
    """The lines of a log whose id is known; the others are not parsed."""
    with log.open_lines(path) as file:
        for line in file:
            found = KEY.search(line)
            if found and unescape(found[1]) in known:
                yield line


def unescape(text: bytes) -> str:
    """A text of JSON without its quotes."""
    return str(json.loads(b'"' + text + b'"')) if b"\\" in text else text.decode("utf-8", "replace")


def classes(joined: Joined, rules: Schema) -> Labels:
    """The classes that the log has probabilities of; None for a regression."""
    if rules.task == "regression":
        return None
    names = {name for row in joined.about["scores"] if isinstance(row, dict) for name in row}
    whole = rules.columns[rules.target].type == "integer"
    return tuple(sorted(int(name) for name in names)) if whole else tuple(sorted(names))


def metrics(joined: Joined, rows: np.ndarray, labels: Labels, bins: int) -> Metrics:
    """The metrics of some rows."""
    about = joined.about[rows]
    answer = predictions.answers_of(about, labels)
    kind = "float64" if labels is None else "object"
    return measure(about["actual"].to_numpy(kind), answer, labels, bins)


def weeks(about: pd.DataFrame) -> np.ndarray:
    """The Monday of each row's week."""
    days = about["time"].dt.tz_localize(None).dt.normalize()
    mondays = days - pd.to_timedelta(days.dt.day_of_week, unit="D")
    return np.asarray(mondays.dt.strftime("%Y-%m-%d"))


def table(joined: Joined, labels: Labels, names: Sequence[str], least: int) -> list[dict[str, Any]]:
    """The metrics of each release, then of each of its weeks and slices that has rows enough."""
    found: list[dict[str, Any]] = []
    releases, mondays = joined.about["release"].fillna("").to_numpy(), weeks(joined.about)
    groups = {"week": mondays} | {
        name: joined.inputs[name].astype("str").to_numpy()
        for name in names
        if name in joined.inputs
    }
    for release in pd.unique(releases):
        own = releases == release
        found.append(
            {"release": release, "part": "all", "value": ""} | metrics(joined, own, labels, 10)
        )
        for name, values in groups.items():
            for value in sorted(set(values[own])):
                rows = own & (values == value)
                if rows.sum() >= least:
                    row = metrics(joined, rows, labels, 10)
                    found.append({"release": release, "part": name, "value": value} | row)
    return found


def training_rows(joined: Joined, rules: Schema) -> pd.DataFrame:
    """The rows with their labels in the form of the raw table, for `make data APPEND=1`.

    The time is that of the request where the contract's own is no input.
    """
    found = joined.inputs.assign(**{rules.target: joined.about["actual"].to_numpy()})
    if rules.time and rules.time not in found:
        found[rules.time] = joined.about["time"]
    return found[[name for name in rules.columns if name in found]]
