import re
from pathlib import Path

import pytest
import yaml
from made_project import IMAGE
from mlgitops.core import job_output
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.reporting.promotion_summary import summary


@pytest.fixture
def two_releases(workspace):
    """Production runs the first commit, staging the second one."""
    first = repository.head()
    workspace.set("split.seed", 5)
    workspace.run()
    second = workspace.commit("Split | otherwise")
    workspace.release(first, "production")
    workspace.release(second, "staging")
    workspace.commit("Release")
    return first, second


def test_the_case_compares_what_both_run(two_releases, capsys):
    summary()
    text = job_output.REPORT.read_text("utf-8")
    assert text.startswith("<!-- promotion -->\n")
    assert f"| Commit | `{two_releases[0][:7]}` | `{two_releases[1][:7]}` |" in text
    assert f"| Image | `{IMAGE}` | `{IMAGE}` |" in text
    assert "another name" not in text
    assert "| log_loss |" in text
    assert "measured on different test rows" in text
    assert "Split &#124; otherwise" in text
    assert "report.md" in capsys.readouterr().out


def test_an_image_of_another_name_is_pointed_out(two_releases, workspace):
    other = IMAGE.replace("localhost:5000", "evil.example.com")
    path = release_env.path("staging")
    path.write_text(path.read_text("utf-8").replace(IMAGE, other), "utf-8")
    workspace.commit("By hand")
    summary()
    text = job_output.REPORT.read_text("utf-8")
    assert f"| Image | `{IMAGE}` | `{other}` |" in text
    assert "**The image has another name than the one that runs now**" in text


def test_the_report_of_the_same_model_follows_and_of_another_one_does_not(two_releases, workspace):
    for seed, there in ((5, True), (6, False)):
        workspace.set("split.seed", seed)
        workspace.run()
        workspace.commit("Again")
        job_output.start()
        job_output.write(job_output.REPORT, b"<!-- report -->\n## The report\n")
        summary()
        assert ("## The report" in job_output.REPORT.read_text("utf-8")) is there


@pytest.mark.usefixtures("two_releases")
def test_a_workflow_is_told_the_commit_that_the_case_is_about(monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    summary()
    assert (tmp_path / "output").read_text() == f"commit={repository.mainline()}\n"


def test_a_first_promotion_has_nothing_to_compare_with(two_releases, workspace):
    release_env.write("production", None)
    workspace.commit("Nothing in production")
    summary()
    text = job_output.REPORT.read_text("utf-8")
    assert "| Commit | `nothing` |" in text
    assert "Production runs nothing yet: this is the first release." in text


def test_nothing_in_staging_is_a_mistake(workspace):
    with pytest.raises(UserError, match="staging has no release"):
        summary()


def test_what_production_does_not_know_yet_is_listed_whatever_main_has_by_now(
    two_releases, workspace
):
    workspace.set("gate.champion.tolerance", 0.9)
    workspace.set("train.seed", 7)
    document = yaml.safe_load(Path("schema.yaml").read_text())
    Path("schema.yaml").write_text(yaml.safe_dump(document | {"slices": []}))
    loose = workspace.commit("Loosen")
    workspace.release(loose, "staging")
    workspace.set("gate.champion.tolerance", 1.0)
    workspace.commit("Release, and loosen further")
    summary()
    text = job_output.REPORT.read_text("utf-8")
    assert re.search(r"\| `gate\.champion\.tolerance` \| `[\d.]+` \| `0\.9` \|", text)
    assert "| `split.seed` | " in text
    assert re.search(r"\| `train\.seed` \| .* \| `7` \|", text)
    assert "**schema.yaml**" in text
    assert "| `slices` | " in text


def test_without_a_change_of_parameters_or_schema_the_case_says_so(workspace):
    workspace.release(repository.head(), "production")
    workspace.release(workspace.commit("Say it better"), "staging")
    workspace.commit("Release")
    summary()
    text = job_output.REPORT.read_text("utf-8")
    assert "Nothing in params.yaml, gate.yaml and schema.yaml." in text
