"""What /metrics says."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from mlgitops.serving.contract import Signature
from mlgitops.serving.settings import Settings

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The series of one server, in a registry of its own."""

    def __init__(self, settings: Settings, signature: Signature) -> None:
        """All start at 0, those of the columns included: a rate needs a first value."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = CollectorRegistry()
        self.registry = own
        self.requests = Counter("serve_requests", "By answer.", ["endpoint", "code"], registry=own)
        self.errors = Counter("serve_errors", "By reason.", ["endpoint", "reason"], registry=own)
        self.seconds = Histogram(
            "serve_request_seconds", "From the headers to the answer.", ["endpoint"],
            buckets=SECONDS, registry=own,
        )  # fmt: skip
        self.rows = Counter("serve_rows", "Predicted.", ["endpoint"], registry=own)
        self.in_flight = Gauge("serve_in_flight", "Requests being answered.", registry=own)
        self.accepted = {
            "unknown_category": Counter(
                "serve_unknown_category", "Values accepted.", ["column"], registry=own
            ),
            "out_of_range": Counter(
                "serve_out_of_range", "Values accepted.", ["column"], registry=own
            ),
        }
        self.known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=own)
        self.describe(settings, signature)

    def describe(self, settings: Settings, signature: Signature) -> None:
        """What is running; and the columns of which values may be accepted."""
        facts = {"name": settings.name, "format": signature.format, "task": signature.task}
        Info("serve_model", "What is running.", registry=self.registry).info(
            settings.release.model_dump() | facts
        )
        for one in signature.inputs:
            if one.type == "category" and signature.unknown_category == "accept":
                self.accepted["unknown_category"].labels(one.name)
            if one.range is not None and signature.out_of_range == "accept":
                self.accepted["out_of_range"].labels(one.name)

    def count_answer(self, endpoint: str, code: int, seconds: float) -> None:
        """Count a request and its time."""
        found = self.known.get((endpoint, code))
        if found is None:  # Looking the series up costs as much as counting.
            found = self.requests.labels(endpoint, code), self.seconds.labels(endpoint)
            self.known[endpoint, code] = found
        found[0].inc()
        found[1].observe(seconds)

    def count_rows(self, endpoint: str, rows: int) -> None:
        """Count rows."""
        self.rows.labels(endpoint).inc(rows)

    def count_accepted(self, policy: str, column: str, values: int) -> None:
        """Count values that the model's policy accepts."""
        self.accepted[policy].labels(column).inc(values)

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
