"""What an environment runs, as a file: release, promotion, rollback; and running it here."""
