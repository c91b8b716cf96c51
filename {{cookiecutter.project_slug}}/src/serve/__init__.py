"""Answers over HTTP for the model in one folder; knows neither `ml` nor `ops`."""
