"""The baseline of scoring: the same file through ONNX Runtime alone. No checks, in one piece."""

import json
import sys
from pathlib import Path

import onnxruntime
import pandas as pd

model, source, output = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
signature = json.loads((model / "signature.json").read_text("utf-8"))
text = [one["name"] for one in signature["inputs"] if one["type"] == "category"]
table = pd.read_parquet(source)
feed = {
    one["name"]: table[[one["name"]]].fillna("").astype("object").to_numpy()
    if one["name"] in text
    else table[[one["name"]]].astype("float32").to_numpy()
    for one in signature["inputs"]
}
labels, probabilities = onnxruntime.InferenceSession(model / "model.onnx").run(None, feed)
pd.DataFrame(probabilities).assign(label=labels).rename(columns=str).to_parquet(output)
