"""The process that loads what a change made has no rights."""

import json
import socket
import subprocess

import pytest
from mlgitops.ci import sandbox
from mlgitops.core.errors import UserError

SPY = """
import json, os, resource, socket, sys
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2); reached = True
except OSError:
    reached = False
print(json.dumps([sorted(os.environ), reached, resource.getrlimit(resource.RLIMIT_AS)[0]]))
"""


def test_the_process_that_loads_a_model_has_no_token_no_network_and_a_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("ACTIONS_RUNTIME_TOKEN", "secret")
    with socket.create_server(("127.0.0.1", 0)) as listens:
        script = tmp_path / "spy.py"
        script.write_text(SPY.format(port=listens.getsockname()[1]))
        command = [*sandbox.isolation(), "/usr/bin/env", "python3", str(script)]
        done = subprocess.run(
            command, env=sandbox.environment(str(tmp_path)), capture_output=True, text=True,
            check=True, preexec_fn=sandbox.limit_memory,
        )  # fmt: skip
    names, reached, most = json.loads(done.stdout)
    assert not [name for name in names if "TOKEN" in name or "GITHUB" in name]
    assert reached is (not sandbox.isolation())
    assert most == sandbox.GIGABYTES * 2**30


def test_words_of_the_process_are_no_command_of_the_runner(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sandbox, "isolation", tuple)
    with pytest.raises(UserError, match="CHANGES=: :error") as refused:
        sandbox.run(["ci", "apply", "--changes", "::error::owned"], tmp_path)
    assert "::" not in f"{refused.value}{capsys.readouterr().out}"
