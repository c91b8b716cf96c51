"""What the environment says: where to listen, how much to take, what is running."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlgitops.serving.errors import UserError

PREFIX = "SERVE_"


class Release(BaseModel):
    """COMMIT, MODEL, DATA and IMAGE, as `deploy/<environment>/release.env` gives them."""

    model_config = ConfigDict(frozen=True)
    commit: str = ""
    model: str = ""
    data: str = ""
    image: str = ""


class Settings(BaseModel):
    """The limits of one server; each comes from the variable SERVE_<NAME>."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=1, le=65535)
    name: str = Field("model", pattern=r"^[A-Za-z0-9._-]+$", description="in V2's addresses")
    title: str = Field("", description="of the documentation; the project's name")
    max_bytes: int = Field(
        4_000_000, gt=0, description="of a body, unpacked; it may need 50 times as much memory"
    )
    memory: int = Field(
        0, ge=0, description="bytes that bodies may become once read; 0: 50 times a body's most"
    )
    max_rows: int = Field(100_000, gt=0, description="of a request")
    seconds: float = Field(30, gt=0, description="from the headers of a request to its answer")
    concurrency: int = Field(128, gt=0, description="requests at once; more are told to come back")
    connections: int = Field(2048, gt=0, description="at once; health and metrics have their own")
    client_connections: int = Field(1024, gt=0, description="of one address")
    head_seconds: float = Field(10, gt=0, description="from a connection to the end of its headers")
    idle_seconds: float = Field(75, gt=0, description="a connection is kept between requests")
    threads: int = Field(1, gt=0, description="that predict large requests")
    drain_seconds: float = Field(5, ge=0, description="it still answers after SIGTERM")
    batch_seconds: float = Field(0.002, ge=0, description="scikit-learn waits for company")
    batch_rows: int = Field(4096, gt=0, description="scikit-learn predicts at once")
    log_share: float = Field(0, ge=0, le=1, description="of the rows that are logged; 0: none")
    log_sync: bool = Field(False, description="answer when the rows are on the disk")
    log_spool_mb: int = Field(256, gt=0, description="of the spool; then the oldest are dropped")
    log_seconds: float = Field(60, gt=0, description="until rows may be shipped")
    log_days: int = Field(90, ge=0, description="that `ship` keeps in the store; 0: all")
    spool: str = Field("artifacts/spool", min_length=1, description="the folder of the log")
    store: str = Field("artifacts", min_length=1, description="where `ship` brings it: a URL")
    ship: bool = Field(False, description="serve nothing, ship the log; as a second container")
    hash_key: str = Field("", description="of columns with `private: hash`; else left out")
    release: Release = Release()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings of an environment; a UserError names the first wrong variable."""
        names = set(cls.model_fields) - {"release"}
        given: dict[str, object] = {
            name: environment[PREFIX + name.upper()]
            for name in names
            if environment.get(PREFIX + name.upper())
        }
        facts = {name: environment.get(name.upper(), "") for name in Release.model_fields}
        try:
            return cls.model_validate(given | {"release": facts})
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + str(first["loc"][0]).upper()
            raise UserError(f"{name}={first['input']}: {first['msg']}") from None

    @property
    def most_memory(self) -> int:
        """Bytes that bodies in hand may become once they are read."""
        return self.memory or 50 * self.max_bytes

    @property
    def version(self) -> str:
        """The model's version in V2: its hash, or 1 where none is known."""
        return self.release.model or "1"
