"""Judges a commit and moves it. It may import `ml`; `ml` never imports it."""
