"""What every other sub-package stands on: commands, errors, files, settings, paths."""
