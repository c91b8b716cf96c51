import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_project import each_task, table
from markdown_it import MarkdownIt
from mlgitops.core import paths
from mlgitops.evaluation import gate
from mlgitops.git import repository
from mlgitops.reporting import diff, report

pytestmark = pytest.mark.slow


def report_text(base="main"):
    return report.page(report.facts(base))


def branch(workspace):
    """A branch with a slightly better model, as a pull request has it."""
    workspace.git("checkout", "--quiet", "-b", "branch")
    workspace.set("train.one_hot", 0)
    workspace.set("train.estimator.C", 10.0)
    workspace.run()
    workspace.commit("Regularise less")


def html(text):
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_the_verdict_comes_first_and_the_reasons_of_a_refusal_with_it(workspace):
    assert report_text().splitlines()[1] == "## ✅ Passed"
    workspace.set("gate.budget.model_mb", 1e-6)
    lines = report_text().splitlines()
    assert lines[1] == "## ❌ Refused"
    assert lines[3] == "**This change alters the rules:**"
    assert lines[5] == "- gate.yaml: gate.budget.model_mb: 50 → 1e-06 (tighter)"
    assert lines[7].startswith("- **budget: artifacts/model, MB** \u2013 over the limit of")


def test_a_changed_parameter_is_shown_with_what_it_did(workspace):
    branch(workspace)
    text = report_text()
    assert "| `train.estimator.C` | \u2013 | `10.0` |" in text
    assert "On `main` it is 0.141: this commit is clearly better." in text
    assert re.search(r"\| log_loss \| 0\.\d+ \| 0\.141 \| 0\.\d+ \(0\.\d+ to 0\.\d+\) \|", text)
    assert "| `params.yaml` |" in text
    assert "Nothing: parameters" not in text


@each_task
def test_no_change_at_all_says_so(workspace):
    workspace.git("checkout", "--quiet", "-b", "branch")
    text = report_text()
    assert "The model is the same as on `main`." in text
    assert "Nothing: parameters, data, schema and code are the same as in `main`." in text
    assert "there is no champion" in text


@each_task
@pytest.mark.usefixtures("workspace")
def test_without_the_base_branch_there_is_nothing_to_compare_with():
    text = report_text("no-such-branch")
    assert "There is no branch or commit `no-such-branch` here" in text
    assert "## ✅ Passed" in text


def test_a_commit_may_be_the_base(workspace):
    workspace.release(workspace.git("rev-parse", "HEAD"))
    workspace.commit("Release")
    workspace.set("train.estimator.C", 10.0)
    workspace.run()
    workspace.commit("Regularise less")
    sha = workspace.git("rev-parse", "HEAD~2")
    text = report_text("HEAD~2")
    # A chart has no room for a tilde.
    assert re.sub("HEAD[~ ]2", sha[:9], text) == report_text(sha[:9])
    assert "On `HEAD~2` it is 0.141" in text
    assert "| `train.estimator.C` |" in text
    assert "### Against the champion" not in text  # it is the base
    other = report_text("no-such-branch").partition("### Against the champion\n")[2]
    assert other.count("\n| log_loss |") == 1


def test_what_no_commit_has_cannot_be_checked_out(workspace):
    branch(workspace)
    assert f"git checkout {repository.head()}\n" in report_text()
    workspace.set("train.estimator.C", 20.0)
    workspace.run()
    text = report_text()
    assert "git checkout" not in text
    assert "# no commit has params.yaml as reported: git add --all && git commit\n" in text


def test_a_base_without_a_model_is_not_comparable(workspace):
    lock = Path("dvc.lock").read_text()
    workspace.git("rm", "--quiet", "dvc.lock")
    workspace.git("commit", "--quiet", "--amend", "--message", "No model yet")
    workspace.git("checkout", "--quiet", "-b", "branch")
    Path("dvc.lock").write_text(lock)
    workspace.commit("First model")
    text = report_text()
    assert "Not comparable with `main`: its commit has no model in dvc.lock." in text


def test_a_champion_of_its_own_gets_a_table(workspace):
    start = repository.head()
    workspace.release(start, "production")
    workspace.commit("Release")
    branch(workspace)
    text = report_text("branch")
    assert "### Against the champion" in text
    assert f"The champion, `{start[:7]}`, has 0.141" in text
    assert "The model is the same as on `branch`." in text


def test_a_champion_of_other_columns_is_not_comparable(workspace):
    workspace.release(repository.head())
    workspace.take(table("binary").rename(columns={"z": "other"}))
    workspace.set("export.format", "sklearn")
    workspace.run()
    workspace.commit()
    text = report_text()
    assert text.splitlines()[1] == "## 🔶 Needs approval: the champion cannot be compared"
    assert "Not comparable with the champion" in text
    assert "no longer has: z" in text


def test_a_model_that_is_worse_in_many_slices_is_a_few_lines(workspace):
    workspace.set("gate.minimum", {"log_loss": 0.0})
    checks = gate.verdict().checks
    bad = next(one for one in checks if one.kind == "slices")
    many = [
        bad.model_copy(update={"name": f"g = {n}: log_loss", "passed": False, "judged": True})
        for n in range(12)
    ]
    rest = [one for one in checks if one.kind != "slices"]
    verdict = gate.Verdict(commit=None, champion=None, checks=[*rest, *many])
    text = report.page(report.facts("main", gate.Judgement(verdict)))
    top = text.partition("On 48 rows")[0]
    shown, _, folded = top.partition("<details>")
    assert shown.count("\n- **") == 2
    assert "12 of 12 judged slices are worse than their limit" in shown
    assert folded.count("\n- g ") == 12


def test_new_data_shows_rows_hash_schema_and_what_moved(workspace):
    workspace.git("checkout", "--quiet", "-b", "branch")
    rows = pd.concat([table("binary"), table("binary", 60, seed=1).assign(x=5.0, g="r", y="b")])
    workspace.take(rows.reset_index(drop=True))
    workspace.set("export.format", "sklearn")
    workspace.run()
    workspace.commit("New rows")
    text = report_text()
    assert "**Data**: 240 → 300 rows" in text
    assert "| `x` | highest: " in text
    assert "| `g` | share of r: 0.0% → 20.0% |" in text
    assert "| `column g` |" in text


@pytest.mark.usefixtures("workspace")
def test_slices_come_worst_first():
    found = report.facts("main").model.slices
    values = [one["check"].value for one in found]
    assert values == sorted(values, reverse=True)
    assert "### Slices, worst first" in report_text()


@pytest.mark.usefixtures("workspace")
def test_what_cannot_be_judged_is_reported_as_refused():
    Path("artifacts/metrics.json").unlink()
    text = report_text()
    assert "## ❌ Refused" in text
    assert "metrics.json is not there" in text


def test_a_metric_without_a_value_is_reported_as_refused(workspace):
    Path("artifacts/metrics.json").write_text('{"rows": 48, "log_loss": null}')
    workspace.lock()
    text = report_text()
    assert "## ❌ Refused" in text
    assert "log_loss is None, not a number" in text


def test_parameters_that_mean_nothing_are_reported_as_refused(workspace):
    workspace.set("gate.minimum", {"quality": 1})
    text = report_text()
    assert "## ❌ Refused" in text
    assert "minimum: quality is not a standard metric" in text


def test_the_champion_that_is_the_base_is_shown_once(workspace):
    workspace.release(repository.head())
    workspace.commit("Release")
    branch(workspace)
    text = report_text()
    assert "is the model of `main`." in text
    assert "### Against the champion" not in text


def test_a_verdict_of_this_commit_is_not_computed_again(workspace, monkeypatch):
    gate.verdict()
    monkeypatch.setattr(gate, "judge_tree", lambda: 1 / 0)
    assert "Passed" in report_text()
    workspace.set("gate.seed", 5)
    with pytest.raises(ZeroDivisionError):
        report_text()


HOSTILE = [
    "a|b",
    "`t`",
    "<img src=x>",
    "@acme",
    "#12",
    "new\nline",
    "[l](http://e.org)",
    "</details>",
]


def test_hostile_names_come_out_inert(workspace):
    rows = table("binary").rename(columns={"z": "<b>|`@acme #1` [l](http://e.org)"})
    rows["g"] = (HOSTILE * len(rows))[: len(rows)]
    rows["y"] = rows["y"].map({"a": "<i>|", "b": "@you"})
    workspace.git("checkout", "--quiet", "-b", "branch")
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.run()
    workspace.commit("Hostile")
    page = html(report_text())
    tags = set(re.findall(r"<(/?\w+)", page))
    assert not tags & {"b", "i", "img", "a"}
    assert page.count("<details>") == page.count("</details>")
    bare = re.sub(r"<(code|pre).*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"@\w|#\d", bare)


def test_the_report_is_short_whatever_the_data(workspace):
    chance = np.random.default_rng(0)
    wide = {f"{'<|`' * 15}{k}": chance.normal(size=240) for k in range(150)}
    rows = pd.concat([table("binary"), pd.DataFrame(wide)], axis=1)
    rows["g"] = [f"{'|@#`<' * 12}{k % 12}" for k in range(len(rows))]
    workspace.git("checkout", "--quiet", "-b", "branch")
    workspace.take(rows)
    workspace.set("export.format", "sklearn")
    workspace.run()
    for k in range(50):
        place = Path(f"folder{k}/inner/file.txt")
        place.parent.mkdir(parents=True)
        place.write_text("line\n")
    workspace.commit("Wide")
    text = report_text()
    assert len(text) < 60_000
    assert "more, left out to keep this page short." in text
    # What is altered in the rules stays: the worst by name, of the others how many.
    assert "- schema.yaml: the column w is gone (looser)" in text or "of schema.yaml" in text


def test_charts_start_at_zero_and_name_their_bars(workspace):
    branch(workspace)
    chart = re.search(r"```mermaid\n(.*?)```", report_text(), re.DOTALL)[1]
    assert 'x-axis ["dummy", "main", "this commit"]' in chart
    assert 'y-axis "log loss" 0 --> 0.' in chart


@pytest.mark.usefixtures("workspace")
def test_report_writes_a_file_or_prints(capsys):
    report.report("main", "stdout")
    printed = capsys.readouterr().out
    report.report("main", "report.md")
    assert Path("report.md").read_text(encoding="utf-8") == printed


def test_a_new_report_needs_a_commit_without_one_and_its_model(workspace, capsys):
    where = Path("artifacts/report.md")
    report.report(output=str(where), new=True)
    assert f"git checkout {repository.head()}" in where.read_text("utf-8")
    capsys.readouterr()
    report.report(output=str(where), new=True)
    assert capsys.readouterr().out == f"no new report: {where} is there\n"
    workspace.commit("Another")
    shutil.rmtree(paths.MODEL)
    report.report(output=str(where), new=True)  # The model comes from the cache.
    assert f"git checkout {repository.head()}" in where.read_text("utf-8")
    workspace.commit("And another")
    shutil.rmtree(paths.MODEL)
    shutil.rmtree(".dvc/cache")
    report.report(output=str(where), new=True)
    assert "no new report: artifacts/model is not in the store" in capsys.readouterr().out
    workspace.set("train.scale", False)
    report.report(output=str(where), new=True)
    assert "what is not committed has none" in capsys.readouterr().out


def test_moves_are_the_largest_first_and_none_if_nothing_moved():
    now = {"columns": {"g": {"type": "category", "missing": 0.5, "shares": {"a": 0.9, "b": 0.1}}}}
    before = {
        "columns": {"g": {"type": "category", "missing": 0.4, "shares": {"a": 0.4, "b": 0.6}}}
    }
    assert diff.column_moves(now, now) == []
    assert diff.column_moves(before, now)[-1] == ("g", "missing: 40.0% → 50.0%")


def test_a_number_that_is_missing_everywhere_has_not_moved():
    column = {"type": "number", "missing": 1.0, "quantiles": [None] * 21}
    assert diff.column_moves({"columns": {"x": column}}, {"columns": {"x": column}}) == []


def test_differing_names_what_came_and_what_went():
    found = diff.differences(
        diff.flat({"a": {"b": 1, "c": 2}}), diff.flat({"a": {"b": 3}, "d": []})
    )
    assert found == [("a.b", 1, 3), ("d", None, []), ("a.c", 2, None)]


def test_a_broken_base_file_counts_as_not_there():
    assert diff.load("a: [") == {}
    assert diff.load(None) == {}


def test_what_loosens_the_gate_is_shown_however_much_else_changes(workspace):
    workspace.git("checkout", "--quiet", "-b", "branch")
    for number in range(40):
        workspace.set(f"aaa{number}", number)
    workspace.set("gate.champion.tolerance", 0.9)
    rules = Path("schema.yaml").read_text()
    Path("schema.yaml").write_text(f"{rules}left_out: {{w: unused}}\n")
    workspace.lock()
    text = report.page(report.facts("main"))
    table = text.partition("**Parameters**")[2]
    assert table.splitlines()[4].startswith("| `gate.champion.tolerance` | `")
    assert "more, left out" in table
    found = [diff.Change(f"gate.key{number}", 1, 2) for number in range(9)]
    found += [diff.Change("train.seed", 1, 2)]
    assert diff.select(found, 2) == found[:9]
    assert diff.select(found, 30) == found


def test_rules_of_the_schema_come_before_its_columns(workspace):
    workspace.git("checkout", "--quiet", "-b", "branch")
    document = yaml.safe_load(Path("schema.yaml").read_text())
    document["columns"]["z"]["nullable"] = True
    document["slices"] = []
    Path("schema.yaml").write_text(yaml.safe_dump(document))
    assert [one.name for one in diff.contract("main")] == ["slices", "column z"]
    assert not diff.is_rule(diff.Change("column slices", 1, 2))


def test_a_kind_of_check_that_the_base_had_is_named(workspace):
    assert "No longer judged" not in report_text()
    workspace.git("checkout", "--quiet", "-b", "branch")
    workspace.set("gate.minimum", {})
    document = yaml.safe_load(Path("schema.yaml").read_text()) | {"slices": []}
    Path("schema.yaml").write_text(yaml.safe_dump(document))
    Path("artifacts/slices.json").write_text("[]")
    workspace.lock()
    workspace.commit("Judge less")
    text = report_text()
    assert text.splitlines()[1] == "## 🔶 Needs approval"
    assert "gate.minimum.log_loss is removed (it was dummy) (looser)" in text
    assert "**No longer judged: minimum, slices.** `main` has such checks" in text


def test_a_base_whose_model_is_gone_from_the_store_has_an_unknown_difference(workspace):
    branch(workspace)
    shutil.rmtree(".dvc/cache")
    facts = report.facts("main")
    assert facts.model.base["judged"]["better"] is not None
    assert facts.model.base["words"] == "the difference is not known"
    assert "Not comparable with `main`: its files are gone from the store." in report.page(facts)


def test_a_report_that_is_too_long_still_replaces_the_last_one(monkeypatch):
    monkeypatch.setattr(report, "render", lambda *_, **__: "x" * report.LIMIT)
    assert report.page(None).startswith("<!-- report -->\n")


def loosen(workspace):
    """Main's next commit learns otherwise, and loosens the gate and the schema."""
    workspace.set("train.estimator.C", 10.0)
    workspace.set("gate.champion.tolerance", 0.9)
    workspace.set("gate.minimum", {})
    document = yaml.safe_load(Path("schema.yaml").read_text())
    Path("schema.yaml").write_text(yaml.safe_dump(document | {"slices": []}))
    workspace.run()
    return workspace.commit("Loosen")


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_on_main_itself_what_changed_starts_from_what_runs(workspace, environment):
    start = repository.head()
    workspace.release(start, environment)
    workspace.commit("Release")
    loosen(workspace)
    text = report_text()
    name = f"`{start[:7]}` (what {environment} runs)"
    assert f"### What changed since {name}\n" in text
    assert "| `train.estimator.C` | \u2013 | `10.0` |" in text
    assert re.search(r"\| `gate\.champion\.tolerance` \| `[\d.]+` \| `0\.9` \|", text)
    assert "| `slices` | " in text
    assert f"**No longer judged: minimum, slices.** {name} has such checks" in text
    assert "Nothing: parameters" not in text


def test_on_main_itself_a_release_is_all_that_changed_since_what_runs(workspace):
    start = repository.head()
    workspace.release(start, "production")
    workspace.commit("Release")
    text = report_text()
    found = text.partition(f"### What changed since `{start[:7]}` (what production runs)")[2]
    assert "| `deploy/production` | 4 | 0 |" in found
    assert "**Parameters**" not in found
    assert "Nothing runs yet" not in text


@pytest.mark.usefixtures("workspace")
def test_on_main_itself_with_nothing_released_it_is_the_first():
    assert (
        "the same as in `main`. Nothing runs yet: it would be the first release." in report_text()
    )
