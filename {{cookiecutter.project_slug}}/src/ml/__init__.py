"""This project's model: features, preparation, estimator. mlgitops does the rest."""
