"""The stages of dvc.yaml, in order: validate, prepare, train, export, evaluate."""
