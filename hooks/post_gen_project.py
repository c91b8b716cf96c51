"""Say what comes next."""

print(
    """
Next:
  cd {{ cookiecutter.project_slug }}
  make setup
  git add --all && git commit --message "Start"
"""
)
