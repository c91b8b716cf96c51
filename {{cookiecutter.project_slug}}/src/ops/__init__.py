"""Judges a commit and moves it."""
