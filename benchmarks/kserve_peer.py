"""KServe's SDK server around ONNX Runtime, without a check: a peer in V2."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

folder, port = Path(sys.argv[1]), int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
inputs = json.loads((folder / "signature.json").read_text("utf-8"))["inputs"]
text = {one["name"] for one in inputs if one["type"] == "category"}


class Bare(Model):
    """Labels for the tensors of a request."""

    def load(self) -> bool:
        """It is loaded already."""
        self.ready = True
        return True

    async def predict(
        self, payload: InferRequest, headers: object = None, response_headers: object = None
    ) -> InferResponse:
        """The labels."""
        feed = {
            one.name: np.array(one.data, dtype=object if one.name in text else np.float32).reshape(
                -1, 1
            )
            for one in payload.inputs
        }
        labels = session.run(None, feed)[0].tolist()
        output = InferOutput("label", [len(labels)], "BYTES", data=labels)
        return InferResponse(payload.id or "", self.name, [output])


model = Bare("model")
model.load()
sys.argv = sys.argv[:1]  # ModelServer reads it too.
ModelServer(enable_grpc=False, http_port=port, workers=1, access_log_format=None).start([model])
