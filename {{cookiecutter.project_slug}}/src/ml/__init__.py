"""The model of this project: features, preparation, estimator. mlgitops does the rest."""
