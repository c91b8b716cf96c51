"""The model in ONNX Runtime."""

from pathlib import Path

import onnxruntime

from mlgitops.serving.contract import Answer, Signature, Table
from mlgitops.serving.errors import UserError


class Onnx:
    """model.onnx: one input a column, and label and probabilities, or the value."""

    def __init__(self, file: Path, signature: Signature) -> None:
        """Load it; a UserError if it is damaged or has other columns than the signature."""
        options = onnxruntime.SessionOptions()
        # Requests are the parallelism, and a row is too little for a second thread.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # The arena keeps the largest batch ever seen.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise UserError(f"{file} cannot be loaded: {' '.join(str(error).split())}") from None
        text = "tensor(string)"
        found = {one.name: one.type == text for one in self.session.get_inputs()}
        if found != {one.name: one.type == "category" for one in signature.inputs}:
            raise UserError(f"{file} takes other columns than signature.json says")
        self.outputs = [one.name for one in self.session.get_outputs()]
        if len(self.outputs) != len(signature.outputs):
            raise UserError(f"{file} has other outputs than signature.json says")

    def __call__(self, table: Table, likely: bool) -> Answer:  # noqa: ARG002
        """The answer for a checked table; the graph gives probabilities at no further cost."""
        values, *rest = self.session.run(self.outputs, table)
        return Answer(values.reshape(-1), rest[0] if rest else None)
