"""`make card`: the figures of docs/model-card.md and docs/data-sheet.md.

People write the rest. The figures stand between two markers and depend on the commit
alone, so it leaves out what a machine or a release changes: times and the champion.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from mlgitops.core import config, paths
from mlgitops.core.errors import UserError
from mlgitops.core.files import replacing
from mlgitops.core.project import project
from mlgitops.data import schema
from mlgitops.data.ingest import Data
from mlgitops.data.split import Split
from mlgitops.evaluation import checks
from mlgitops.evaluation.checks import SIZE, Check, metric_interval
from mlgitops.evaluation.gate import Verdict
from mlgitops.evaluation.subject import Subject
from mlgitops.reporting import diff
from mlgitops.reporting.markdown import render
from mlgitops.training.losses import is_mean

DOCUMENTS = {
    paths.CARD: "model-card.md.j2",
    paths.SHEET: "data-sheet.md.j2",
}
PARITY = paths.PARITY
ROWS = 200  # of a table
BEGIN, END = "<!-- figures: ", "<!-- end of the figures -->"
BLOCK = re.compile(
    rf"{BEGIN}written by `make card`, (?P<digest>\w+) -->\n(?P<figures>.*?){END}", re.DOTALL
)


def digest(figures: str) -> str:
    """What the marker says of the figures, so that an edit by hand is told from an old figure."""
    return hashlib.sha256(figures.encode()).hexdigest()[:16]


def intervals(subject: Subject) -> dict[str, Any]:
    """The interval of each metric that has one."""
    found: dict[str, Any] = {}
    rows, confidence = len(subject.here.actual), subject.p.confidence
    for name in filter(is_mean, subject.here.metrics):
        drawn = subject.resample(name, subject.losses(name))
        found[name] = metric_interval(name, drawn[:, 0], confidence, rows)
    return found


def gate_checks(subject: Subject, verdict: Verdict | None) -> tuple[list[Check], list[Check]]:
    """The checks that depend on the commit alone, and those of the slices; judged once."""
    known = verdict.checks if verdict and verdict.rests_on_evidence else []
    found = [one for one in known if one.kind == "minimum" or one.name == SIZE]
    if found:
        return found, [one for one in known if one.kind == "slices"]
    return [*checks.minimum(subject), checks.size(subject)], checks.slices(subject)


def facts(subject: Subject, verdict: Verdict | None = None) -> dict[str, Any]:
    """Everything that the two templates show."""
    here = subject.here
    found, slices = gate_checks(subject, verdict)
    return {
        "project": project(),
        "here": here,
        "rules": here.rules,
        "p": subject.p,
        "intervals": intervals(subject),
        "checks": found,
        "importance_found": diff.importance(),
        "slices": list(zip(here.slices, slices, strict=True)),
        "passed": all(check.passed for check in [*found, *slices]),
        "train": diff.flat(config.read(config.PARAMS)["train"]),
        "parity": diff.load(PARITY.read_text("utf-8") if PARITY.exists() else None),
        "data": json.loads(diff.DATA.read_text(encoding="utf-8")),
        "source": config.load(Data).source,
        "split": config.load(Split),
        "schema": schema.SCHEMA,
        "most": ROWS,
    }


def new_document(template: str, found: dict[str, Any]) -> str:
    """The whole document as it is first written, with the digest of its figures."""
    text = render(template, digest="0", **found)
    block = BLOCK.search(text)
    assert block is not None
    return text.replace(f", {block['digest']} -->", f", {digest(block['figures'])} -->", 1)


def figures(path: Path, text: str) -> re.Match[str]:
    """The part of a document that is written by the run; a UserError if its markers are gone."""
    found = list(BLOCK.finditer(text))
    if len(found) != 1 or text.count(END) != 1:
        raise UserError(
            f"{path}: the markers around the figures must be there once: put them back as they "
            "were, or move the file away and run `make card`"
        )
    return found[0]


def update(path: Path, new: str) -> str:
    """The document with the new figures; what people wrote around them stays."""
    if not path.exists():
        return new
    # Bytes, since reading as text would change the line ends of what people wrote.
    text = path.read_bytes().decode("utf-8")
    there, fresh = figures(path, text), figures(path, new)
    return text[: there.start()] + fresh[0] + text[there.end() :]


def check_current(path: Path, new: str) -> None:
    """Refuse figures that were edited by hand, or that are of another run."""
    if not path.exists():
        raise UserError(f"{path} is not there: run `make card`")
    there = figures(path, path.read_bytes().decode("utf-8"))
    if digest(there["figures"]) != there["digest"]:
        raise UserError(
            f"{path}: the figures were edited by hand: run `make card`, which fixes them"
        )
    if there[0] != figures(path, new)[0]:
        raise UserError(f"{path}: the figures are not those of this model: run `make card`")


def write_documents(found: dict[str, Any]) -> None:
    """Write the figures of both documents."""
    for path, template in DOCUMENTS.items():
        text = update(path, new_document(template, found))
        with replacing(path) as part:
            part.write_bytes(text.encode("utf-8"))
        print(f"{path}: {len(text.splitlines())} lines")


def card(
    check: Annotated[
        bool, typer.Option(help="Write nothing; exit with 1 if the figures are not current.")
    ] = False,
) -> None:
    """Write the figures of the model card and of the data sheet, or check them."""
    found = facts(Subject.gather())
    if not check:
        write_documents(found)
        return
    for path, template in DOCUMENTS.items():
        check_current(path, new_document(template, found))
    print(f"{', '.join(map(str, DOCUMENTS))}: the figures are those of this model")
