"""Answers over HTTP for the model in one folder; knows neither `ml` nor `ops`."""

import os

# Before ONNX Runtime is loaded: its own builds report to their makers over the network.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
