"""What the server is compared with: an echo on the same stack, and ONNX Runtime without checks."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()
folder, port = Path(sys.argv[1]), int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
inputs = json.loads((folder / "signature.json").read_text("utf-8"))["inputs"]
text = {one["name"] for one in inputs if one["type"] == "category"}


@app.post("/echo")
async def echo(request: Request) -> Response:
    """The JSON that came."""
    return Response(orjson.dumps(orjson.loads(await request.body())), media_type="application/json")


@app.post("/bare")
async def bare(request: Request) -> Response:
    """Predictions for dataframe_split, without a check or a metric."""
    split = orjson.loads(await request.body())["dataframe_split"]
    columns = dict(zip(split["columns"], zip(*split["data"], strict=True), strict=True))
    feed = {
        name: np.array(values, dtype=object if name in text else np.float32).reshape(-1, 1)
        for name, values in columns.items()
    }
    answer = {"predictions": session.run(None, feed)[0].tolist()}
    return Response(orjson.dumps(answer), media_type="application/json")


uvicorn.run(app, port=port, access_log=False, log_level="warning")
