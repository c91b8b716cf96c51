"""`mlgitops ci examine`: the verdict on the tree that lies here, and the report on it.

`mlgitops ci judge` runs it in a process without a token and a network. The tree is a change's: the
model that was made, its test rows and its figures are read; none of its code runs.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from mlgitops.ci.stages import check_stages
from mlgitops.core import config, paths
from mlgitops.core.errors import UserError, join_names
from mlgitops.core.files import replacing
from mlgitops.data import schema
from mlgitops.data.split import split_raw
from mlgitops.evaluation import gate
from mlgitops.evaluation.checks import agree
from mlgitops.evaluation.evidence import METRICS, SLICES, Evidence
from mlgitops.reporting import report
from mlgitops.training import exported_model
from mlgitops.training.evaluate import Answers, Evaluate, slices

if TYPE_CHECKING:
    import onnx

VERDICT = paths.GATE
REPORT = paths.REPORT
# Operators that ONNX itself defines; a library of others is not loaded.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def examine(
    base: Annotated[str, typer.Option(help="The branch to merge into.")] = "main",
    other: Annotated[
        Path | None, typer.Option(help="A verdict by the base's rules; else no report is written.")
    ] = None,
    refusal: Annotated[str, typer.Option(help="A reason to refuse it that no check has.")] = "",
    doubt: Annotated[
        list[str] | None, typer.Option(help="What an owner looks at, beside altered rules.")
    ] = None,
) -> None:
    """Write the verdict on the tree and the report, whatever the verdict is."""
    check_stages()
    check_model()
    check_test_rows()
    judgement = gate.judge_tree()
    if judgement.subject:
        check_slices(judgement.subject.here)
    if other is None:
        return
    if judgement.subject:
        check_metrics(judgement.subject.here)
    by_base = json.loads(other.read_bytes()) if other.exists() else None
    text = report.page(report.facts(base, judgement, by_base, refusal, doubt or ()))
    with replacing(REPORT) as part:
        part.write_text(text, encoding="utf-8")


def check_model() -> None:
    """Refuse a model in ONNX that names files beside it, or operators that are not ONNX's own."""
    path = exported_model.FOLDER / exported_model.FILES["onnx"]
    if not path.exists():
        return
    import onnx

    try:
        model = onnx.load(os.fspath(path), load_external_data=False)
    except Exception as error:
        raise UserError(f"{path} is not an ONNX model: {str(error)[:100]}") from None
    if has_external_data(model):
        raise UserError(f"{path} keeps data in other files: a model is one file")
    if strange := sorted({one.domain for one in model.opset_import} - set(DOMAINS)):
        raise UserError(f"{path} needs operators that are not ONNX's own: {join_names(strange)}")


def has_external_data(model: "onnx.ModelProto") -> bool:
    """Whether a tensor of the model, wherever it stands, lies in another file."""
    import onnx

    helper = onnx.external_data_helper
    return any(map(helper.uses_external_data, helper._get_all_tensors(model)))


def check_test_rows() -> None:
    """Refuse test rows that are not those which gate.yaml assigns from the raw table."""
    if not paths.RAW.exists():
        raise UserError(f"{paths.RAW} was not handed over: the test rows cannot be checked")
    _, wanted = split_raw(paths.RAW, schema.load())
    if not paths.TEST.exists() or not wanted.equals(pd.read_parquet(paths.TEST)):
        raise UserError(
            f"{paths.TEST} has other rows than gate.yaml assigns from {paths.RAW}: "
            "`make pipeline` makes it"
        )


def check_slices(here: Evidence) -> None:
    """Refuse a list of slices that lacks one: what is not in it is not judged."""
    answers = Answers(here.actual, here.answer, here.labels)
    wanted = slices(here.table, here.rules.slices, answers, config.load(Evaluate))
    names, given = (
        ["{column} = {value}".format_map(one) for one in parts] for parts in (wanted, here.slices)
    )
    if absent := [name for name in names if name not in given]:
        raise UserError(f"{SLICES} lacks {join_names(absent)}: `make pipeline` makes it")


def check_metrics(here: Evidence) -> None:
    """Refuse standard metrics that the model does not have on its test rows.

    The project's own metrics are as its code counted them, which does not run here.
    """
    answers = Answers(here.actual, here.answer, here.labels)
    found = answers.measure(config.load(Evaluate).bins)
    for name in found.keys() & here.metrics.keys():
        if not agree(found[name], here.metrics[name]):
            raise UserError(
                f"{METRICS} says {name} {here.metrics[name]}, but the model has {found[name]} on "
                f"{paths.TEST}: `make pipeline` makes it"
            )
