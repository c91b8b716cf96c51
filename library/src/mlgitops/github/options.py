"""Options that several commands of workflows take; each is read from a variable too."""

from pathlib import Path
from typing import Annotated

import typer

Branch = Annotated[
    str, typer.Option(envvar="BRANCH", help="The branch of a pull request, in this repository.")
]
Body = Annotated[str, typer.Option(envvar="BODY", help="File with the text.")]
Changes = Annotated[
    Path, typer.Option(envvar="CHANGES", help="The patch, or a folder with changes.patch.")
]
Head = Annotated[
    str, typer.Option(envvar="HEAD", help="The commit that the patch, text or results are of.")
]
Url = Annotated[str, typer.Option(envvar="URL", help="The page of the run.")]
