"""Keep the folder of the chosen answer, and say what comes next."""

import shutil

for name in {"argocd", "flux"} - {"{{ cookiecutter.gitops }}"}:
    shutil.rmtree(f"deploy/{name}")

print(
    """
Next:
  cd {{ cookiecutter.project_slug }}
  make setup
  git add --all && git commit --message "Start"
"""
)
