"""Where a table is: a path, a pattern, a URL or a database; its files on this machine."""

import glob
import os
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import fsspec
from fsspec.callbacks import TqdmCallback

from mlgitops.core.errors import UserError

TRIES = 3  # of a server that is not reached; the pause before a try is a second longer each time
FROM_ENVIRONMENT = "env:"
# Parameters of a URL that let whoever has it read what it names.
SIGNED = re.compile(r"sig|signature|token|key|secret|password|credential", re.I)


@dataclass(frozen=True)
class Source:
    """A place; the sheet of a workbook, the query of a database; `name` is what is printed."""

    place: str
    name: str
    sheet: str = ""
    query: str = ""


def source_of(said: str, sheet: str = "", query: str = "") -> Source:
    """The source that SOURCE names; env:NAME is the place that an environment variable holds."""
    if not said.startswith(FROM_ENVIRONMENT):
        refuse_secrets(said)
        return Source(said, said, sheet, query)
    place = os.environ.get(said.removeprefix(FROM_ENVIRONMENT), "")
    if not place:
        variable = said.removeprefix(FROM_ENVIRONMENT)
        raise UserError(
            f"SOURCE={said}: the environment variable {variable} is not set; a workflow sets it "
            "from a secret"
        )
    return Source(place, said, sheet, query)


def refuse_secrets(place: str) -> None:
    """Refuse a URL with a login or a signature: params.yaml, which Git keeps, would hold it."""
    if "://" not in place:
        return
    parts = urlsplit(place)
    signed = any(SIGNED.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True))
    if signed or parts.password is not None:
        public = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        raise UserError(
            f"SOURCE={public} came with a login or a signature, which params.yaml would keep in "
            "Git: export DATA_SOURCE='the whole URL', then SOURCE=env:DATA_SOURCE"
        )


@contextmanager
def local_files(source: Source) -> Iterator[list[Source]]:
    """The files of the source on this machine, downloaded and unzipped where that is needed."""
    with TemporaryDirectory() as folder:
        place = source.place
        fetched = download(source, Path(folder)) if "://" in place else source
        yield [one for each in match(fetched) for one in unzip(each, Path(folder))]


def match(source: Source) -> list[Source]:
    """The files that a folder or a pattern stands for, in the order of their names."""
    path = Path(source.place)
    if path.is_file():
        return [source]
    if not path.is_dir() and not glob.has_magic(source.place):
        raise UserError(f"{source.name}: there is no such file")
    # The pattern may be absolute, which Path.glob refuses.
    found = path.iterdir() if path.is_dir() else map(Path, glob.glob(source.place))  # noqa: PTH207
    files = sorted(one for one in found if one.is_file())
    visible = [str(one) for one in files if not one.name.startswith((".", "_"))]
    if not visible:
        raise UserError(f"{source.name}: there is no file of this name, or the folder is empty")
    return [replace(source, place=one, name=one) for one in visible]


def unzip(source: Source, folder: Path) -> list[Source]:
    """The files in a zip, unpacked into the folder; any other file as it is."""
    if not source.place.lower().endswith(".zip"):
        return [source]
    try:
        with zipfile.ZipFile(source.place) as packed:
            members = [
                one
                for one in packed.namelist()
                if not one.endswith("/") and not one.startswith("__MACOSX")
            ]
            paths = [packed.extract(one, folder / "unzipped") for one in members]
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise UserError(f"{source.name}: cannot be unzipped ({error})") from None
    if not paths:
        raise UserError(f"{source.name}: holds no file")
    names = (f"{source.name}: {member}" for member in members)
    return [replace(source, place=path, name=name) for path, name in zip(paths, names, strict=True)]


def download(source: Source, folder: Path) -> Source:
    """The file of a URL in the folder, with a progress bar; a UserError that says why not."""
    target = folder / (Path(urlsplit(source.place).path).name or "table")
    for pause in range(1, TRIES + 1):
        try:
            fetch(source.place, target)
        except FileNotFoundError:
            raise UserError(f"{source.name}: there is no such file") from None
        except ImportError as error:
            raise UserError(f"{source.name}: {error}: uv add --group train that package") from None
        except Exception as error:  # Each file system raises errors of its own.
            if not is_unreached(error):
                text = describe(error, source)
                raise UserError(f"{source.name}: cannot be read ({text})") from None
            if pause == TRIES:
                raise UserError(
                    f"{source.name}: the server is not reached, after {TRIES} tries "
                    f"({describe(error, source)}): check the network and HTTPS_PROXY"
                ) from None
            time.sleep(pause)
        else:
            break
    return replace(source, place=str(target))


def fetch(url: str, target: Path) -> None:
    """Download a URL to a file; proxies are those of the environment."""
    web = url.startswith(("http://", "https://"))
    options = {"client_kwargs": {"trust_env": True}} if web else {}
    system, path = fsspec.core.url_to_fs(url, **options)
    bar = {"unit": "B", "unit_scale": True, "desc": target.name}
    system.get_file(path, str(target), callback=TqdmCallback(tqdm_kwargs=bar))


def is_unreached(error: Exception) -> bool:
    """Whether an error says that a server does not answer, and not that it refuses."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"ConnectionError", "TimeoutError", "ClientConnectionError"})


def describe(error: BaseException, source: Source) -> str:
    """What an error says, on one line, without the place of a source that is secret."""
    text = " ".join(str(error).split()) or type(error).__name__
    if source.name.startswith(FROM_ENVIRONMENT):
        text = re.sub(r"\S+://\S+", source.name, text.replace(source.place, source.name))
    return text[:200]
