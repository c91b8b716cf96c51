"""What is asked and answered: each endpoint reads a request and writes the answer."""

from typing import NamedTuple, Protocol

from mlgitops.serving import invocations, tensors
from mlgitops.serving.columns import Columns
from mlgitops.serving.contract import Answer, Signature, Table
from mlgitops.serving.errors import Refusal
from mlgitops.serving.settings import Settings


class Request(NamedTuple):
    """A request's body, headers (lower case) and query."""

    body: bytes
    headers: dict[bytes, bytes]
    query: bytes


class Reply(NamedTuple):
    """A body, its media type, and one more header of V2's."""

    body: bytes
    media: bytes = b"application/json"
    length: int | None = None


class Asked(Protocol):
    """A request that is read: its checked table, whether it asks for probabilities, its answer."""

    table: Table
    rows: int
    likely: bool

    def reply(self, answer: Answer) -> Reply:
        """The answer in the protocol's form."""


class Endpoint(Protocol):
    """One address that predicts."""

    name: str

    def read(self, request: Request) -> Asked:
        """The request, checked; a Refusal says what is wrong."""

    def problem(self, refusal: Refusal) -> bytes:
        """An error in the protocol's form."""


def limited(rows: int, most: int) -> None:
    """Refuse a request of no rows, or of too many."""
    if rows == 0:
        raise Refusal("no_rows", "the request has no rows")
    if rows > most:
        raise Refusal("too_many_rows", f"the request has more than {most} rows", 413)


class Invocations:
    """MLflow's protocol."""

    name = "invocations"
    problem = staticmethod(invocations.problem)

    def __init__(self, columns: Columns, signature: Signature, settings: Settings) -> None:
        """For one model."""
        self.columns, self.signature, self.settings = columns, signature, settings

    def read(self, request: Request) -> "Invoked":
        """The request, checked."""
        media = request.headers.get(b"content-type", b"").decode("latin-1")
        most = self.settings.max_rows
        asked = invocations.question(request.body, media, request.query, self.signature, most)
        limited(asked.rows, most)
        return Invoked(self.columns.table(asked.given), asked, self.signature)


class Invoked:
    """A request of MLflow's protocol."""

    def __init__(self, table: Table, asked: invocations.Question, signature: Signature) -> None:
        """What is asked of which table."""
        self.table, self.rows, self.output = table, asked.rows, asked.output
        self.likely = asked.output in ("probabilities", "both")
        self.signature = signature

    def reply(self, answer: Answer) -> Reply:
        """The predictions."""
        return Reply(invocations.answer(answer, self.output, self.signature))


class Infer:
    """V2's inference."""

    name = "infer"
    problem = staticmethod(tensors.problem)

    def __init__(self, columns: Columns, signature: Signature, settings: Settings) -> None:
        """For one model."""
        self.columns, self.signature, self.settings = columns, signature, settings

    def read(self, request: Request) -> "Inferred":
        """The request, checked."""
        length = request.headers.get(tensors.LENGTH.encode())
        text = None if length is None else length.decode("latin-1")
        asked = tensors.question(request.body, text, self.signature)
        if asked.given:
            limited(asked.rows, self.settings.max_rows)
        return Inferred(self.columns.table(asked.given), asked, self)


class Inferred:
    """A request of V2."""

    def __init__(self, table: Table, asked: tensors.Question, endpoint: Infer) -> None:
        """What is asked of which table."""
        self.table, self.rows, self.asked, self.endpoint = table, asked.rows, asked, endpoint
        self.likely = any(one.name == "probabilities" for one in asked.wanted)

    def reply(self, answer: Answer) -> Reply:
        """The tensors, as JSON or as JSON and binary data."""
        settings, signature = self.endpoint.settings, self.endpoint.signature
        body, length = tensors.answer(
            answer, self.asked, settings.name, settings.version, signature
        )
        media = b"application/json" if length is None else b"application/octet-stream"
        return Reply(body, media, length)
