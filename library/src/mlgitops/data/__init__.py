"""From a table that people have to data/raw.parquet with its contract, split and described."""
