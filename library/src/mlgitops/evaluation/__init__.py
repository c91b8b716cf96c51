"""Whether a model is good enough: evidence, checks, champion, gate."""
