"""What the demo does where Docker answers, but makes no image: it says so and goes on."""

import json
import os
import sys

import pytest
from baked import PROJECT, ROOT
from fake_docker import Docker

ERROR = "mlgitops image: docker build failed: SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]')"
MAKEFILE = f"""\
image:
\t@docker build . && exit 0; echo "{ERROR}"; exit 1
release:
\t@echo "released $$IMAGE"
"""


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The demo's modules, in a project with a Makefile of two targets and a fake docker."""
    monkeypatch.syspath_prepend(ROOT / "demo")
    for name in ("images", "story", "environments"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import environments
    import images
    import story

    project = tmp_path / "flights"
    (project / "deploy").mkdir(parents=True)
    (project / "Makefile").write_text(MAKEFILE, "utf-8")
    (project / "Dockerfile").write_text((PROJECT / "Dockerfile").read_text("utf-8"), "utf-8")
    who = "-c user.name=a -c user.email=a@example.org"
    os.system(f"cd {project} && git init -q && git add -A && git {who} commit -qm Start")
    for module in (environments, images, story):
        monkeypatch.setattr(module, "PROJECT", project)
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(images, "FOLDER", tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TEST_REGISTRY", "localhost:1")
    monkeypatch.delenv("WAY", raising=False)
    return environments, story, Docker(tmp_path / "bin")


def test_a_docker_that_cannot_build_is_named_in_a_line_and_processes_go_on(demo, capsys):
    environments, story, docker = demo
    docker.answer("image", "inspect", out="sha256:1\n")
    docker.answer("build", error="SSLError\n", code=1)
    made = environments.Environments(story.Story())
    assert isinstance(made.way, environments.Containers)
    made.release()
    assert isinstance(made.way, environments.Processes)
    told = capsys.readouterr().out
    assert len(docker.calls("build")) == 1
    assert told.count("CERTIFICATE_VERIFY_FAILED") == 1
    [line] = [line for line in told.splitlines() if "CERTIFICATE_VERIFY_FAILED" in line]
    assert "`make image` failed: " in line
    assert "the same server runs as a process" in line
    assert "released process/flights@sha256:" in told


def test_a_docker_that_builds_is_used(demo, capsys):
    environments, story, docker = demo
    docker.answer("image", "inspect", out="sha256:1\n")
    docker.answer("build", out="built\n")
    with (story.PROJECT / "Makefile").open("a") as makefile:
        makefile.write("smoke push:\n\t@docker $@\n")
    made = environments.Environments(story.Story())
    made.release()
    assert isinstance(made.way, environments.Containers)
    assert [len(docker.calls(word)) for word in ("build", "smoke", "push")] == [1, 1, 1]
    assert "released" in capsys.readouterr().out


def test_a_registry_that_does_not_start_is_a_reason_for_processes(demo, monkeypatch, capsys):
    environments, story, docker = demo
    import images

    docker.answer("image", "inspect", out="sha256:1\n")
    docker.answer("run", out="1\n")
    monkeypatch.delenv("TEST_REGISTRY")
    monkeypatch.setattr(images, "PATIENCE", 0.1)
    monkeypatch.setattr(images.shutil, "which", lambda name: None)
    assert isinstance(environments.choose(story.Story()), environments.Processes)
    assert "the registry does not start: " in capsys.readouterr().out
    assert [call[1] for call in docker.calls("rm")] == ["--force"]


def test_a_long_log_is_folded_unless_it_is_read_or_the_command_fails(demo, capsys):
    _, story, _ = demo
    lines = [f"line {number}" for number in range(30)]
    with (story.PROJECT / "Makefile").open("a") as makefile:
        makefile.write(
            f"long show:\n\t@printf '%s\\n' {json.dumps(lines)[1:-1].replace(',', '')}\n"
        )
        makefile.write("bad: long\n\t@exit 1\n")
    made = story.Story()
    made.run("make long", cwd=story.PROJECT)
    told = capsys.readouterr().out
    assert "… 25 lines" in told
    assert "line 29" in told
    assert "line 3\n" not in told
    made.run("make show", cwd=story.PROJECT)
    assert "line 3\n" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        made.run("make bad", cwd=story.PROJECT)
    assert "line 3\n" in capsys.readouterr().out


def test_a_report_is_shown_as_a_page_up_to_its_first_picture(demo, capsys):
    _, story, _ = demo
    table = "| Check | Why |\n|---|---|\n| loss | good |\n"
    text = f"<!-- report -->\n## Passed\n\n{table}\n```mermaid\nx\n```\n"
    (story.PROJECT / "report.md").write_text(text, "utf-8")
    story.Story().show("report.md")
    told = capsys.readouterr().out
    assert "Passed" in told
    assert "loss" in told
    assert not [mark for mark in ("<!--", "##", "|", "mermaid") if mark in told]
