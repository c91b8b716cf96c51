"""What goes wrong by somebody else's doing."""


class UserError(Exception):
    """The operator's: why the server does not start, in one line."""


class Refusal(Exception):
    """The client's, or too much at once: the HTTP status, one word for the metric, and why."""

    def __init__(self, reason: str, message: str, status: int = 400) -> None:
        """What `serve_errors_total` counts it as, and what the client reads."""
        super().__init__(message)
        self.reason, self.message, self.status = reason, message, status
