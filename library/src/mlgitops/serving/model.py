"""What computes the answers of artifacts/model/, the only thing that the server needs."""

from pathlib import Path

from mlgitops.serving.contract import Runtime, Signature


def load(folder: Path, signature: Signature) -> Runtime:
    """What computes the answers of the folder's model."""
    if signature.format == "onnx":
        from mlgitops.serving.onnx import Onnx

        return Onnx(folder / "model.onnx", signature)
    from mlgitops.serving.pipeline import Fitted

    return Fitted(folder, signature)
