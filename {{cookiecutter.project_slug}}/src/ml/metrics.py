"""Metrics of your own, beside the standard ones.

A metric is one function, listed in METRICS. It gets the true values of the test rows and the
model's predictions as arrays of shape (rows,), and for a classifier the probabilities of each
label, by label. It returns one number:

    def recall_of_late(actual, predicted, probabilities):
        return (predicted[actual == "late"] == "late").mean()


    METRICS = (recall_of_late,)

It is measured on the test set and on every slice; `make show`, the report and the tracker have it,
and gate.yaml can demand it.
"""

METRICS = ()
