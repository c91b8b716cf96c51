"""The section `log` of gate.yaml, as the library and the server read it."""

import pytest
from baked import PROJECT
from mlgitops.core import config, log_rules
from mlgitops.core.errors import UserError
from mlgitops.core.log_rules import Log
from mlgitops.serving import cli, errors
from mlgitops.serving.settings import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text):
    config.RULES.write_text(text, "utf-8")


def read_as_server(**more):
    return Settings.read(cli.log_settings() | more)


def test_a_project_logs_nothing_until_it_says_so():
    found = config.sections(PROJECT / "gate.yaml")["log"]
    assert config.parse(Log, found, "log") == Log()
    assert set(found) == set(Log.model_fields)
    assert Log().share == 0


def test_library_and_server_read_the_same():
    defaults = read_as_server()
    write("log: {share: 0.5, sync: true, spool_mb: 8, days: 7}\n")
    found, settings = log_rules.load(), read_as_server()
    for name, value in found.model_dump().items():
        assert getattr(settings, f"log_{name}") == value
        assert getattr(defaults, f"log_{name}") == getattr(Log(), name)
    assert read_as_server(SERVE_LOG_SHARE="0").log_share == 0


@pytest.mark.parametrize("text", ["", "gate: {}\n", "log:\n"])
def test_without_the_section_nothing_is_logged(text):
    write(text)
    assert log_rules.load() == Log()
    assert read_as_server().log_share == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log: {share: 2}", r"log.share: .*less than or equal to 1 \(it is 2\)"),
        ("log: {share: -1}", "log.share"),
        ("log: {days: -1}", "log.days"),
        ("log: {spool_mb: 0}", "log.spool_mb"),
        ("log: {more: 1}", "log.more: Extra"),
        ("log: {}\nlogs: {}", "logs is no section"),
    ],
)
def test_a_wrong_section_is_refused(text, told):
    write(text)
    with pytest.raises(UserError, match=told):
        log_rules.load()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("log: {share: 2}", "SERVE_LOG_SHARE=2: "),
        ("log: {share: all}", "SERVE_LOG_SHARE=all: "),
        ("log: 1", "gate.yaml cannot be read"),
        ("[", "gate.yaml cannot be read"),
    ],
)
def test_the_server_refuses_it_too(text, told):
    write(text)
    with pytest.raises(errors.UserError, match=told):
        read_as_server()
