"""Answers for a model over HTTP. It imports nothing else of mlgitops."""

import os

# Before ONNX Runtime is loaded: its own builds report to their makers over the network.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
