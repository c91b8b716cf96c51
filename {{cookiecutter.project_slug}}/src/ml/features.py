"""Features: columns that the model sees beside those of the table.

A feature is one function, listed in FEATURES. It gets the columns by name as arrays of shape
(rows,), float32 or text, and the array namespace `xp` with the functions of the Python array API
(https://data-apis.org/array-api); it returns one array of the same length:

    def gust_ratio(columns, xp):
        return xp.log(columns["gust_mph"] / columns["wind_mph"])


    FEATURES = (gust_ratio,)

In training `xp` is numpy. In export the same function is traced into the ONNX model, so serving
needs neither this file nor pandas. A result that is not finite is a missing value.
"""

FEATURES = ()
