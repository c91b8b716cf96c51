"""From commit to deployed model by Git alone: what a generated project runs.

Each sub-package has one job and imports only those before it: core, git, data, serving, images,
releases, training, github, manifests, tracking, evaluation, reporting, ci.
"""

__version__ = "0.2.0"
