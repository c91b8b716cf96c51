"""From a folder to a running server, and back by a signal."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import uvicorn

from mlgitops.serving import contract, model
from mlgitops.serving.admission import SMALL, Admission
from mlgitops.serving.columns import Columns
from mlgitops.serving.endpoints import Endpoint, Infer, Invocations, Request
from mlgitops.serving.errors import Refusal, UserError
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.pages import pages
from mlgitops.serving.settings import Settings

# A prediction of a row that takes longer is made beside the event loop.
QUICK = 0.001
# After the last connection is taken: whoever has just connected may still ask.
GRACE = 0.2
# For each request at once: the others are kept alive, or their bodies are still on the way.
CONNECTIONS = 32


def make_app(folder: Path, settings: Settings) -> Admission:
    """The application for a folder; a UserError says why it cannot be served."""
    signature = contract.read(folder)
    runtime = model.load(folder, signature)
    metrics = Metrics(settings, signature)
    columns = Columns(signature, metrics.counted)
    invocations = Invocations(columns, signature, settings)
    infer = Infer(columns, signature, settings)
    batched = signature.format == "sklearn"
    seconds = warm(folder, invocations, runtime)
    address = f"/v2/models/{settings.name}"
    endpoints: dict[str, Endpoint] = {
        "/invocations": invocations,
        f"{address}/infer": infer,
        f"{address}/versions/{settings.version}/infer": infer,
    }
    made: Admission
    behind = pages(signature, settings, metrics, lambda: not made.draining)
    small = SMALL if seconds < QUICK else 0
    made = Admission(endpoints, behind, runtime, metrics, settings, small=small, batched=batched)
    return made


def warm(folder: Path, endpoint: Invocations, runtime: contract.Runtime) -> float:
    """Seconds of a prediction of one row: an example of the signature, which must pass."""
    rows = endpoint.signature.examples[:1]
    if not rows:
        raise UserError(f"{folder / 'signature.json'} has no examples to try the model with")
    body = orjson.dumps({"dataframe_records": rows})
    try:
        asked = endpoint.read(Request(body, {b"content-type": b"application/json"}, b""))
        return min(timed(runtime, asked.table) for _ in range(3))
    except Refusal as refusal:
        raise UserError(f"{folder / 'signature.json'}: its example: {refusal.message}") from None
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: the model cannot predict its own example: {text}") from None


def timed(runtime: contract.Runtime, table: contract.Table) -> float:
    """Seconds of one prediction."""
    started = perf_counter()
    runtime(table, likely=True)
    return perf_counter() - started


class Server(uvicorn.Server):
    """Uvicorn with a drain: SIGTERM turns readiness off, later it stops, and exits with 0."""

    def __init__(self, application: Admission, settings: Settings) -> None:
        """For one application."""
        self.app, self.settings = application, settings
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
                limit_concurrency=CONNECTIONS * settings.concurrency,
                timeout_keep_alive=75,  # Longer than the idle time of the usual proxies.
                timeout_graceful_shutdown=int(settings.seconds) + 1,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals start the drain; uvicorn's own would end the process by the signal."""
        loop = asyncio.get_running_loop()

        def told(number: int, _: Any) -> None:
            loop.call_soon_threadsafe(self.stop, number)

        before = {one: signal.signal(one, told) for one in (signal.SIGTERM, signal.SIGINT)}
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
