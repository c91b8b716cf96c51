"""What computes the answers of artifacts/model/, the only thing that the server needs."""

import hashlib
import json
from pathlib import Path

from mlgitops.serving.contract import Runtime, Signature
from mlgitops.serving.errors import UserError


def load(folder: Path, signature: Signature) -> Runtime:
    """What computes the answers of the folder's model."""
    if signature.format == "onnx":
        from mlgitops.serving.onnx import Onnx

        return Onnx(folder / "model.onnx", signature)
    from mlgitops.serving.pipeline import Fitted

    return Fitted(folder, signature)


def check_hash(folder: Path, released: str) -> None:
    """Refuse a folder that is not the model of the release, where MODEL says which that is."""
    if released and (found := content(folder)) != released:
        raise UserError(
            f"{folder} is the model {found}, not MODEL={released}: serve the model of the release, "
            "or unset MODEL"
        )


def content(folder: Path) -> str:
    """The MD5 that DVC gives to a folder of these files, as dvc.lock has it."""
    files = sorted(
        (file.relative_to(folder).as_posix(), file)
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    )
    listing = [{"md5": md5(file.read_bytes()), "relpath": path} for path, file in files]
    return md5(json.dumps(listing).encode()) + ".dir"


def md5(data: bytes) -> str:
    """The MD5 of bytes, as DVC writes it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
