"""What a job of a workflow runs; each also runs on a laptop."""
