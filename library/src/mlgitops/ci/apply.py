"""`mlgitops ci apply`: what another job made, into this tree, if it is only what commands make."""

from mlgitops.git import repository
from mlgitops.git.commits import git
from mlgitops.github import push_outputs
from mlgitops.github.options import Changes


def apply(changes: Changes) -> None:
    """Apply a patch that was made for HEAD; a path that no command makes refuses all of it."""
    patch = push_outputs.patch_path(changes)
    if patch is None:
        print("the patch is empty: nothing to apply")
        return
    head = repository.head()
    found = push_outputs.differences(head, push_outputs.apply_patch(head, patch))
    git("apply", "--whitespace=nowarn", str(patch))
    print(f"applied: {len(found)} files")
