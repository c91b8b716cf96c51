import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_project import IMAGE, TEMPLATE
from mlgitops.core.errors import UserError
from mlgitops.git import repository
from mlgitops.releases import release_env
from mlgitops.releases.release_env import EMPTY, Release, parse, problems, text

STAGING, PRODUCTION = (Path(f"deploy/{name}/release.env") for name in release_env.ENVIRONMENTS)
HEX = "0123456789abcdef"
images = st.from_regex(release_env.FORMS["IMAGE"][0], fullmatch=True)
releases = st.builds(
    Release,
    image=images,
    commit=st.text(HEX, min_size=40, max_size=40) | st.text(HEX, min_size=64, max_size=64),
    model=st.text(HEX, min_size=32, max_size=32).map("{}.dir".format),
    data=st.text(HEX, min_size=32, max_size=32),
)
GOOD = text(Release(IMAGE, "c" * 40, f"{'d' * 32}.dir", "e" * 32))


@given(releases)
def test_a_release_is_read_as_it_was_written(release):
    assert parse(text(release)) == release


def test_nothing_is_released_by_empty_values():
    assert text(None) == EMPTY == "IMAGE=\nCOMMIT=\nMODEL=\nDATA=\n"
    assert parse(EMPTY) is None


@given(st.text() | st.text("=\n", max_size=9).map(lambda end: GOOD + end))
def test_what_is_accepted_has_the_one_form(found):
    try:
        assert text(parse(found)) == found
    except UserError:
        assert found != EMPTY


@given(releases, st.data())
def test_a_release_with_a_character_more_or_less_is_refused_or_another(release, data):
    there = text(release)
    at = data.draw(st.integers(0, len(there)))
    added = data.draw(st.sampled_from("\r\n =#\t\0é") | st.characters())
    for found in (there[:at] + added + there[at:], there[:at] + there[at + 1 :]):
        try:
            assert text(parse(found)) == found
        except UserError:
            continue


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\n", "\r\n", "IMAGE="),
        (IMAGE, "localhost:5000/bees:1", "by its digest"),
        (IMAGE, IMAGE.replace("@", ":1@"), "by its digest"),
        (IMAGE, IMAGE.replace("bees", "Bees"), "by its digest"),
        (IMAGE, IMAGE[:-1], "by its digest"),
        (IMAGE, f" {IMAGE}", "by its digest"),
        (IMAGE, "", "by its digest"),
        ("c" * 40, "c" * 7, "a commit's whole hash"),
        ("c" * 40, "main", "a commit's whole hash"),
        ("c" * 40, "C" * 40, "a commit's whole hash"),
        (".dir", "", "ends in .dir"),
        ("e" * 32, "e" * 31, "the MD5 of the raw data"),
        ("e" * 32, "", "the MD5 of the raw data"),
        ("COMMIT=", "# by hand\nCOMMIT=", "exactly the lines"),
        ("COMMIT=", "SHA=", "exactly the lines"),
        ("DATA=", "DATA=\nDATA=", "exactly the lines"),
        (GOOD, GOOD + "\n", "exactly the lines"),
        (GOOD, GOOD[:-1], "exactly the lines"),
        (GOOD, "", "exactly the lines"),
    ],
)
def test_what_is_not_in_form_is_refused_and_named(old, new, said):
    with pytest.raises(UserError, match=said):
        parse(GOOD.replace(old, new))


def test_the_template_starts_with_nothing_released():
    for path in (STAGING, PRODUCTION):
        assert (TEMPLATE / path).read_bytes().decode() == EMPTY


@pytest.mark.parametrize("name", ["", "test", "../staging", "staging/", "/etc"])
def test_an_unknown_environment_is_a_mistake(name):
    with pytest.raises(UserError, match="ENVIRONMENT=staging or production"):
        release_env.path(name)


def test_the_champion_is_productions_commit_else_stagings(workspace):
    assert release_env.champion() is None
    workspace.release("1" * 40, "staging")
    assert release_env.champion() is None  # not committed
    workspace.commit()
    assert release_env.champion() == "1" * 40
    workspace.release("2" * 40, "production")
    workspace.commit()
    assert release_env.champion() == "2" * 40
    release_env.write("production", None)
    workspace.commit()
    assert release_env.champion() == "1" * 40


@pytest.mark.parametrize("found", [EMPTY, GOOD, "IMAGE=mine\n", None])
def test_a_branch_does_not_choose_its_champion(workspace, found):
    for environment in release_env.ENVIRONMENTS:
        workspace.release("1" * 40, environment)
    workspace.commit("Release")
    workspace.git("switch", "--quiet", "--create", "branch")
    for path in (STAGING, PRODUCTION):
        path.unlink() if found is None else path.write_text(found)
    workspace.commit("No champion, please")
    assert release_env.champion() == "1" * 40


def test_without_main_nobody_knows_the_champion_and_before_a_commit_there_is_none(workspace):
    workspace.git("branch", "--move", "trunk")
    with pytest.raises(UserError, match="no branch main here"):
        release_env.champion()
    workspace.git("switch", "--quiet", "--orphan", "new")
    assert release_env.champion() is None


def test_a_file_of_a_commit_that_is_not_in_form_is_named(workspace):
    STAGING.parent.mkdir(parents=True)
    STAGING.write_text("# nothing yet\n" + EMPTY)
    workspace.commit()
    with pytest.raises(UserError, match=r"deploy/staging/release\.env of [0-9a-f]{7}: must be"):
        release_env.champion()


@pytest.fixture
def live_project(workspace):
    """A project of which both environments run the first commit."""
    start = repository.head()
    for environment in release_env.ENVIRONMENTS:
        release_env.write(environment, None)
    workspace.commit("Nothing is released")
    for environment in release_env.ENVIRONMENTS:
        workspace.release(start, environment)
        workspace.commit(f"Release to {environment}")
    return workspace


def test_what_was_released_and_promoted_has_no_problems(live_project):
    assert problems() == []


def test_an_emptied_file_is_no_problem_as_nothing_runs_by_it(live_project):
    """`git revert` of a first release empties it; the champion is what main says anyway."""
    live_project.git("switch", "--quiet", "--create", "branch")
    for path in (STAGING, PRODUCTION):
        path.write_text(EMPTY)
    assert problems() == []


def test_a_missing_file_is_a_problem(live_project):
    STAGING.unlink()
    assert problems() == ["deploy/staging/release.env: is not there: git restore it"]


def test_a_file_that_is_not_in_form_is_a_problem(live_project):
    STAGING.write_bytes(STAGING.read_bytes().replace(b"\n", b"\r\n"))
    (problem,) = problems()
    assert problem.startswith("deploy/staging/release.env: IMAGE=")


def test_a_commit_that_nobody_knows_is_a_problem(live_project):
    live_project.release("1" * 40)
    assert problems() == ["deploy/staging/release.env: COMMIT 1111111 is not in this repository"]


def test_a_shallow_clone_says_how_to_know_more(live_project, tmp_path, monkeypatch):
    live_project.git(
        "clone", "--quiet", "--depth", "1", f"file://{Path.cwd()}", str(tmp_path / "new")
    )
    monkeypatch.chdir(tmp_path / "new")
    assert all(problem.endswith("git fetch --unshallow") for problem in problems())
    assert len(problems()) == 2


def test_a_commit_that_is_not_merged_is_a_problem(live_project):
    live_project.git("switch", "--quiet", "--create", "branch")
    aside = live_project.commit("Aside")
    live_project.release(aside)
    assert problems() == [f"deploy/staging/release.env: COMMIT {aside[:7]} is not merged to main"]
    live_project.git("branch", "--force", "main")
    assert problems() == []
    live_project.git("update-ref", "refs/remotes/origin/main", "HEAD~1")
    assert len(problems()) == 1


@pytest.mark.parametrize("name", ["MODEL", "DATA"])
def test_hashes_of_another_commit_are_a_problem(live_project, name):
    value = getattr(release_env.read("staging"), name.lower())
    STAGING.write_text(STAGING.read_text().replace(value, value.replace(value[:4], "0000")))
    (problem,) = problems()
    assert f"staging/release.env: {name} is not the one in dvc.lock of" in problem
    assert problem.endswith(value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "evil.example.com/bees",
            r"evil.example.com/bees, .* of localhost:5000/bees: REGISTRY=evil",
        ),
        ("localhost:5000/other", "localhost:5000/other, and this project's are of .*/bees$"),
        ("localhost:5000/bees/bees", ".*: REGISTRY=localhost:5000/bees, if"),
        ("bees", "bees, and this project's are of localhost:5000/bees$"),
    ],
)
def test_an_image_of_another_name_is_a_problem_until_main_has_it(live_project, name, said):
    live_project.git("switch", "--quiet", "--create", "branch")
    other = IMAGE.replace("localhost:5000/bees", name)
    STAGING.write_text(STAGING.read_text().replace(IMAGE, other))
    for subject in ("By hand", "Something else"):
        (problem,) = problems()
        assert re.search(f"^deploy/staging/release.env: IMAGE is of {said}", problem)
        live_project.commit(subject)
    live_project.git("branch", "--force", "main")
    assert problems() == []
    # It is new to production all the same.
    PRODUCTION.write_text(STAGING.read_text())
    live_project.commit("Promote by hand")
    assert [problem.split(":")[0] for problem in problems()] == [str(PRODUCTION)]


def test_after_a_move_to_another_registry_what_main_had_stays_good(live_project, monkeypatch):
    old = STAGING.read_text()
    monkeypatch.setenv("REGISTRY", "ghcr.io/acme")
    live_project.commit("Move")
    assert problems() == []
    for environment in release_env.ENVIRONMENTS:
        release_env.check_sound(environment)
        new = release_env.path(environment)
        new.write_text(old.replace("localhost:5000", "ghcr.io/acme"))
        live_project.commit(f"Release from there to {environment}")
    assert problems() == []
    for path in (STAGING, PRODUCTION):
        path.write_text(old)
    assert problems() == []


def test_production_must_be_what_staging_has_had(live_project):
    other = IMAGE.replace("a" * 64, "b" * 64)
    old = PRODUCTION.read_text()
    PRODUCTION.write_text(old.replace(IMAGE, other))
    said = "is not, line for line, what staging has had on main"
    assert problems() == [f"deploy/production/release.env: {said}"]
    # Nor is it enough that staging is to have it: it must have been on main.
    STAGING.write_text(PRODUCTION.read_text())
    assert problems() == [f"deploy/production/release.env: {said}"]
    live_project.git("switch", "--quiet", "--create", "branch")
    live_project.commit("Release")
    assert problems() == [f"deploy/production/release.env: {said}"]
    live_project.git("branch", "--force", "main")
    assert problems() == []
    # And staging may have gone on since.
    STAGING.write_text(old)
    live_project.commit("Go on")
    live_project.git("branch", "--force", "main")
    assert problems() == []


@pytest.mark.parametrize("way", [["--no-ff"], ["--squash"], ["--ff-only"]])
def test_staging_has_had_what_any_way_of_merging_brought(live_project, way):
    start = repository.head()
    live_project.git("switch", "--quiet", "--create", "branch")
    other = IMAGE.replace("a" * 64, "b" * 64)
    STAGING.write_text(STAGING.read_text().replace(IMAGE, other))
    live_project.commit("Release to staging")
    live_project.git("switch", "--quiet", "main")
    live_project.git("merge", "--quiet", *way, "branch")
    live_project.commit("Merge")
    text = STAGING.read_text()
    live_project.git("branch", "--delete", "--force", "branch")
    STAGING.write_text(release_env.file_text("staging", start))
    live_project.commit("Back")
    PRODUCTION.write_text(text)
    assert problems() == []


def test_what_a_merge_itself_wrote_counts(live_project):
    """A conflict that was fixed by hand is in no parent."""
    other = IMAGE.replace("a" * 64, "b" * 64)
    live_project.git("switch", "--quiet", "--create", "branch")
    live_project.commit("Something")
    live_project.git("switch", "--quiet", "main")
    live_project.git("merge", "--quiet", "--no-ff", "--no-commit", "branch")
    STAGING.write_text(STAGING.read_text().replace(IMAGE, other))
    live_project.commit("Merge")
    PRODUCTION.write_text(STAGING.read_text())
    assert problems() == []


@pytest.mark.parametrize("way", [["--no-ff"], ["--squash"]])
def test_what_a_branch_had_in_between_does_not_count(live_project, way):
    old = STAGING.read_text()
    live_project.git("switch", "--quiet", "--create", "branch")
    STAGING.write_text(old.replace(IMAGE, IMAGE.replace("a" * 64, "b" * 64)))
    text = STAGING.read_text()
    live_project.commit("Release to staging")
    STAGING.write_text(old)
    live_project.commit("Restore")
    live_project.git("switch", "--quiet", "main")
    live_project.git("merge", "--quiet", *way, "branch")
    PRODUCTION.write_text(text)
    said = "is not, line for line, what staging has had on main"
    assert problems() == [f"deploy/production/release.env: {said}"]
