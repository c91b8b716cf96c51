"""Makes a model: from a table to an exported, evaluated model."""
