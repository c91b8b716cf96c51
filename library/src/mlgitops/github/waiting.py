"""Waiting for a Git host that is down or limits requests, for a bounded time in all."""

import re
from collections.abc import Callable
from time import monotonic, sleep, time
from typing import Any, NamedTuple

from mlgitops.core.errors import UserError

LIMITED = re.compile(
    r"rate limit|abuse detection|retry your request again|wait a few minutes", re.I
)


class Refused(UserError):
    """A request that the Git host understood and refused, with its status and words."""

    def __init__(self, status: int, words: str, what: str) -> None:
        """Say it as a person needs to read it."""
        self.status, self.words = status, words
        advice = {
            401: "the token is not accepted: set GITHUB_TOKEN to a valid one",
            403: "the token may not do this: docs/github.md lists the permissions",
            404: "it is not there, or the token may not see it",
        }.get(status, "")
        super().__init__(f"{what}: {status} {words}" + (f"\n{advice}" if advice else ""))


class Patience(NamedTuple):
    """The seconds of waiting that a command may take for the Git host at an address."""

    seconds: float
    api: str

    def ask(self, request: Callable[[], Any], what: str) -> Any:
        """What a request returns, made again until it succeeds, is refused, or patience ends."""
        from github import GithubException

        end, pause = monotonic() + self.seconds, self.seconds / 64
        while True:
            try:
                return request()
            except GithubException as error:
                words = host_message(error)
                wait = retry_after(error, words, self.seconds / 2)
                if wait is None and error.status < 500:
                    raise Refused(error.status, words, what) from None
                reason, pause = f"{error.status} {words}", max(wait or 0, pause)
            except OSError as error:  # what every error of a connection is
                reason = " ".join(str(error).split())[:200]
            if monotonic() + pause > end:
                raise UserError(self.failure_message(reason, pause)) from None
            sleep(pause)
            pause *= 2

    def failure_message(self, reason: str, pause: float) -> str:
        """Why there is no answer, and what to do."""
        if LIMITED.search(reason) or reason.startswith("429"):
            when = f"in {max(1, round(pause / 60))} min" if pause >= 60 else "later"
            return f"{self.api} limits the requests of this token ({reason})\nrun this again {when}"
        return f"{self.api} does not answer: {reason}\nrun this again later"


def host_message(error: Any) -> str:
    """The Git host's own words, as one line."""
    data = error.data if isinstance(error.data, dict) else {}
    details = data.get("errors")
    inner = [one.get("message", "") for one in details or () if isinstance(one, dict)]
    words = " ".join(filter(None, [str(data.get("message") or ""), *inner]))
    return " ".join(words.split())[:300]


def retry_after(error: Any, words: str, otherwise: float) -> float | None:
    """Seconds to wait for a Git host that limits requests; None if it does not."""
    headers = error.headers or {}
    after = str(headers.get("retry-after", ""))
    if error.status != 429 and not (error.status == 403 and (after or LIMITED.search(words))):
        return None
    reset = str(headers.get("x-ratelimit-reset", ""))
    if after.isdigit():
        return float(after)
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(0.0, int(reset) - time() + 1)
    return otherwise
