"""From a folder to a running server, and back by a signal."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import orjson
import uvicorn

from mlgitops.serving import contract, invocations, model, open_inference
from mlgitops.serving.admission import Admission
from mlgitops.serving.bodies import SMALL
from mlgitops.serving.columns import Columns
from mlgitops.serving.computing import Computing
from mlgitops.serving.connections import Connections
from mlgitops.serving.errors import Refusal, UserError
from mlgitops.serving.http1 import Http1
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.pages import pages
from mlgitops.serving.prediction_log import PredictionLog
from mlgitops.serving.protocols import Protocol, Request, Served
from mlgitops.serving.settings import Settings

# A prediction of a row that takes longer is made beside the event loop.
QUICK = 0.001
# Connections taken in one turn of the event loop: uvloop takes one for each listener.
ACCEPTED = 16
# After the last connection is taken: whoever has just connected may still ask.
GRACE = 0.2


def make_app(folder: Path, settings: Settings) -> Admission:
    """The application for a folder; a UserError says why it cannot be served."""
    signature = contract.read(folder)
    model.check_hash(folder, settings.release.model)
    runtime = model.load(folder, signature)
    metrics = Metrics(settings, signature)
    log = None
    if settings.log_share:
        release = settings.release.model_copy(update={"model": model.content(folder)})
        own = settings.model_copy(update={"release": release})
        log = PredictionLog(own, signature, metrics.registry)
        runtime = partial(with_scores, runtime)
    served = Served(signature, Columns(signature, metrics.count_accepted), settings)
    known = protocols(served)
    seconds = warm(folder, served, known["/invocations"], runtime)
    small = SMALL if seconds < QUICK else 0
    computing = Computing(runtime, settings, small, batched=signature.format == "sklearn")
    made: Admission
    behind = pages(signature, settings, metrics, lambda: made.ready)
    made = Admission(known, behind, computing, metrics, settings)
    made.log = log
    return made


def with_scores(runtime: contract.Runtime, table: contract.Table, likely: bool) -> contract.Answer:  # noqa: ARG001
    """The answer of a runtime, with probabilities also where no client asks: the log has them."""
    return runtime(table, likely=True)


def protocols(served: Served) -> dict[str, Protocol]:
    """The protocols by the addresses that predict."""
    mlflow, v2 = (
        Protocol(name, partial(one.decode, served), partial(one.encode, served), one.problem)
        for name, one in (("invocations", invocations), ("infer", open_inference))
    )
    address = f"/v2/models/{served.settings.name}"
    version = f"{address}/versions/{served.settings.version}"
    return {"/invocations": mlflow, f"{address}/infer": v2, f"{version}/infer": v2}


def warm(folder: Path, served: Served, protocol: Protocol, runtime: contract.Runtime) -> float:
    """Seconds of a prediction of one row: an example of the signature, which must pass."""
    rows = served.signature.examples[:1]
    if not rows:
        raise UserError(f"{folder / 'signature.json'} has no examples to try the model with")
    body = orjson.dumps({"dataframe_records": rows})
    try:
        question = protocol.decode(Request(body, {b"content-type": b"application/json"}, b""))
        return min(seconds_of(runtime, question.table) for _ in range(3))
    except Refusal as refusal:
        raise UserError(f"{folder / 'signature.json'}: its example: {refusal.message}") from None
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: the model cannot predict its own example: {text}") from None


def seconds_of(runtime: contract.Runtime, table: contract.Table) -> float:
    """Seconds of one prediction."""
    started = perf_counter()
    runtime(table, likely=True)
    return perf_counter() - started


class Server(uvicorn.Server):
    """Uvicorn with a drain: SIGTERM turns readiness off, later it stops, and exits with 0."""

    def __init__(self, application: Admission, settings: Settings) -> None:
        """For one application."""
        self.app, self.settings = application, settings
        self.all = Connections(application, settings)
        super().__init__(
            uvicorn.Config(
                application,
                host=settings.host,
                port=settings.port,
                lifespan="off",
                access_log=False,
                log_level="warning",
                server_header=False,
                date_header=False,
                http=cast("Any", partial(Http1, self.all)),
                ws="none",
                timeout_graceful_shutdown=int(settings.seconds) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and look at the connections from time to time."""
        if self.app.log is not None:
            self.app.log.writer.begin()
        given = list(sockets or ())
        await super().startup(given + [one.dup() for one in given for _ in range(1, ACCEPTED)])
        self.all.look()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals start the drain; uvicorn's own would end the process by the signal."""
        loop = asyncio.get_running_loop()

        def handle(number: int, _: Any) -> None:
            loop.call_soon_threadsafe(self.stop, number)

        before = {one: signal.signal(one, handle) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self, number: int) -> None:
        """Drain, then stop; at once for Ctrl-C or a second signal."""
        at_once = number == signal.SIGINT or self.app.draining
        self.app.draining = True
        wait = 0 if at_once else self.settings.drain_seconds
        asyncio.get_running_loop().call_later(wait, self.leave)

    def leave(self) -> None:
        """Take no more connections; what is in flight is still answered."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer those who are connected, and close."""
        for listener in self.servers:
            listener.close()
        await asyncio.sleep(GRACE)
        await super().shutdown(sockets)
        if self.app.log is not None:
            self.app.log.writer.stop()
