"""The baseline: read a CSV, split by time, fit the same estimator, score. No checks, no export."""

import sys

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

table = pd.read_csv(sys.argv[1], parse_dates=["when"]).sort_values("when")
few, many = ["c0", "c1"], ["c2", "c3"]
numbers = [name for name in table if name[0] in "nib"]
cut = int(len(table) * 0.8)
inputs = table[numbers].astype("float32").join(table[few + many].astype("object").fillna(""))
model = make_pipeline(
    ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), numbers),
            ("few", OneHotEncoder(handle_unknown="ignore", sparse_output=False), few),
            (
                "many",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                many,
            ),
        ]
    ),
    HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=100, early_stopping=False, random_state=0
    ),
)
model.fit(inputs[:cut], table["target"][:cut])
probabilities = model.predict_proba(inputs[cut:])
predicted, actual = model.classes_[probabilities.argmax(axis=1)], table["target"][cut:]
print(
    log_loss(actual, probabilities), roc_auc_score(actual, probabilities[:, 1]),
    accuracy_score(actual, predicted), f1_score(actual, predicted, average="macro"),
)  # fmt: skip
