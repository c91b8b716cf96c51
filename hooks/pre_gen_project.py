"""Refuse answers that GitHub, Docker, Kubernetes, DNS or a file system would refuse later."""

import json
import re
import sys

ANSWERS = json.loads(r"""{{ cookiecutter | jsonify }}""")

# Windows opens devices by these names, whatever the folder.
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10)),
}
FORBIDDEN = '" \\ ` $ { } < > | @'
LINE = r"[^\W_][^\"\\`${}<>|@\r\n\t]{0,%d}"
LABEL = "[a-z0-9]+(-+[a-z0-9]+)*"
PORT = ":([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
# What Docker reads as a host, not as a folder of Docker Hub.
HOST = rf"({LABEL}(\.{LABEL})+({PORT})?|{LABEL}{PORT}|localhost)"
SHORT = "{1,200}"
FOLDER = "[a-z0-9]+((__|[._]|-+)[a-z0-9]+)*"
RULES = {
    "project_slug": (
        r"[a-z](-?[a-z0-9]){1,39}",
        "2 to 40 small letters, digits and single dashes, a letter first, as in bike-demand",
    ),
    "github_owner": (
        r"[A-Za-z0-9](-?[A-Za-z0-9]){0,38}",
        "a GitHub name: up to 39 letters, digits and single dashes",
    ),
    "registry": (
        rf"(?=.{SHORT}$)({HOST}(/{FOLDER})+|{LABEL})",
        "a registry's host and a folder in it, in small letters, as in ghcr.io/acme",
    ),
    "project_name": (
        LINE % 59,
        f"one line of up to 60 characters, a letter or digit first, and none of {FORBIDDEN}",
    ),
    "description": (
        LINE % 199,
        f"one line of up to 200 characters, a letter or digit first, and none of {FORBIDDEN}",
    ),
}


def problem(name, answer):
    """What is wrong with an answer, or nothing."""
    pattern, allowed = RULES[name]
    if not re.fullmatch(pattern, answer) or not answer.isprintable():
        return f"{name} {answer[:60]!r} is not allowed: {allowed}"
    if name == "project_slug" and answer in DEVICES:
        return f"{name} {answer!r} is not allowed: Windows keeps this name for a device"
    return ""


problems = [text for name in RULES if (text := problem(name, str(ANSWERS[name])))]
if problems:
    sys.exit("\n".join(problems))
