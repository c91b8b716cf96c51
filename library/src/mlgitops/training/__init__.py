"""Makes a model: from the training set to an exported, evaluated model."""

import os

# Before ONNX Runtime is loaded: its own builds report to their makers over the network.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
