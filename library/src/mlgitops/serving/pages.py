"""What can be read: health, metadata, the release, metrics, and the documentation of all of it."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST

from mlgitops.serving import documentation, open_inference
from mlgitops.serving.contract import Signature
from mlgitops.serving.metrics import Metrics
from mlgitops.serving.settings import Settings

BINARY = "binary_tensor_data"


def pages(
    signature: Signature, settings: Settings, metrics: Metrics, ready: Callable[[], bool]
) -> FastAPI:
    """The application behind the admission."""
    # Its pages need no other server: in a cluster there is often no way to one.
    app = FastAPIOffline(
        title=settings.title or settings.name, version=settings.version, redoc_url=None
    )
    release(app, settings)
    health(app, ready)
    models(app, signature, settings, ready)

    @app.get("/metrics", tags=["operation"], response_class=Response)
    async def prometheus() -> Response:
        """Requests, errors, seconds, rows, and what is running, for Prometheus."""
        return Response(metrics.page(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/", include_in_schema=False)
    async def home() -> RedirectResponse:
        """Lead to the documentation."""
        return RedirectResponse("docs")

    add_documentation(app, signature, settings)
    return app


def release(app: FastAPI, settings: Settings) -> None:
    """Say which release runs."""

    @app.get("/version", tags=["operation"])
    async def version() -> dict[str, str | int]:
        """Commit, model, data and image of this release, and the version of the model's format."""
        return settings.release.model_dump() | {"format": 1}


def health(app: FastAPI, ready: Callable[[], bool]) -> None:
    """Say whether it lives, and whether it takes requests; also by MLflow's names."""

    @app.get("/v2/health/live", tags=["operation"])
    @app.get("/health", include_in_schema=False)
    async def live() -> dict[str, bool]:
        """Whether the server runs."""
        return {"live": True}

    @app.get("/v2/health/ready", tags=["operation"], responses={503: {}})
    @app.get("/ping", include_in_schema=False)
    async def readiness() -> JSONResponse:
        """Whether new requests should come here; 503 from SIGTERM on."""
        return JSONResponse({"ready": ready()}, 200 if ready() else 503)


def models(
    app: FastAPI, signature: Signature, settings: Settings, ready: Callable[[], bool]
) -> None:
    """Say what the server and its model are, as V2 does."""
    server = {"name": settings.name, "version": settings.version, "extensions": [BINARY]}
    model = open_inference.metadata(settings.name, settings.version, signature)

    @app.get("/v2", tags=["V2"])
    async def about() -> dict[str, Any]:
        """The server."""
        return server

    @app.get("/v2/models/{name}", tags=["V2"], responses={404: {}})
    @app.get("/v2/models/{name}/versions/{version}", include_in_schema=False)
    async def metadata(name: str, version: str = settings.version) -> JSONResponse:
        """The tensors that the model takes and gives."""
        return other(name, version, settings) or JSONResponse(model)

    model_health(app, settings, ready)
    other_models(app, settings)


def model_health(app: FastAPI, settings: Settings, ready: Callable[[], bool]) -> None:
    """Say whether the model answers."""

    @app.get("/v2/models/{name}/ready", tags=["V2"], responses={404: {}, 503: {}})
    @app.get("/v2/models/{name}/versions/{version}/ready", include_in_schema=False)
    async def model_ready(name: str, version: str = settings.version) -> JSONResponse:
        """Whether the model answers."""
        state = {"name": settings.name, "ready": ready()}
        known = JSONResponse(state, 200 if ready() else 503)
        return other(name, version, settings) or known


def other_models(app: FastAPI, settings: Settings) -> None:
    """Say that no other model can be asked: what is for this one came to the admission."""

    @app.post("/v2/models/{name}/infer", include_in_schema=False)
    @app.post("/v2/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(name: str, version: str = settings.version) -> JSONResponse:
        """What is not there."""
        return other(name, version, settings) or JSONResponse({"error": "not found"}, 404)


def other(name: str, version: str, settings: Settings) -> JSONResponse | None:
    """404 for a model that is not the one of this server."""
    if (name, version) == (settings.name, settings.version):
        return None
    what = f"there is no model {name[:40]!r} of version {version[:40]!r}, there is "
    return JSONResponse({"error": f"{what}{settings.name} of {settings.version}"}, 404)


def add_documentation(app: FastAPI, signature: Signature, settings: Settings) -> None:
    """Add the addresses that the admission takes to the documentation."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(title=app.title, version=app.version, routes=app.routes)
            described["paths"] |= documentation.paths(signature, settings)
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
