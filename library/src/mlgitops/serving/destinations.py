"""Where the prediction log is shipped to: a folder, or a bucket of Azure, S3 or GCS."""

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from mlgitops.serving.errors import UserError
from mlgitops.serving.spool import sync_folder

ROOM = "predictions"
DAY = "date="
RETRY: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=20)}
TIMEOUT = "30s"
# Of a connection string of Azure, and what obstore calls it.
PARTS = {
    "AccountName": "account_name",
    "AccountKey": "account_key",
    "SharedAccessSignature": "sas_token",
    "BlobEndpoint": "endpoint",
}


class Destination(Protocol):
    """A store, as far as the log needs it; an OSError says why it does not take something."""

    def put(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all; one that is there is the same, and stays."""

    def days(self) -> list[str]:
        """The dates that it has rows of."""

    def remove(self, day: str) -> None:
        """Remove all rows of a date."""


class Folder:
    """A folder on this machine."""

    def __init__(self, place: Path) -> None:
        """It is made when something is put there."""
        self.place = place

    def put(self, name: str, data: bytes) -> None:
        """Write a file, and bring it to the disk before it gets its name."""
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.with_name(f".{path.name}.part")
        with before.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        before.replace(path)
        sync_folder(path.parent)

    def days(self) -> list[str]:
        """The dates that it has rows of."""
        return [one.name.removeprefix(DAY) for one in (self.place / ROOM).glob(f"{DAY}*")]

    def remove(self, day: str) -> None:
        """Remove all rows of a date."""
        shutil.rmtree(self.place / ROOM / f"{DAY}{day}")


class Bucket:
    """A bucket or container, by its URL; the login is that of the surroundings."""

    def __init__(self, url: str) -> None:
        """A UserError if it cannot be such a URL, or what speaks to stores is not installed."""
        try:
            import obstore
            from obstore.exceptions import AlreadyExistsError, BaseError
            from obstore.store import from_url
        except ImportError:
            raise UserError(f"{url} needs the package obstore: mlgitops[ship]") from None
        self.obstore, self.there, self.failed = obstore, AlreadyExistsError, BaseError
        own, make = connection(url), from_url
        # An emulator, or a store inside a network: who gives such an address means it.
        address = own.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL", "")
        client: Any = {"timeout": TIMEOUT, "allow_http": address.startswith("http://")}
        try:
            self.store: Any = make(url, client_options=client, retry_config=RETRY, **own)
        except (BaseError, ValueError) as error:
            raise UserError(f"{url} is no store: {first_line(error)}") from None

    def put(self, name: str, data: bytes) -> None:
        """Write a file unless it is there."""
        try:
            self.obstore.put(self.store, name, data, mode="create")
        except self.there:
            return
        except self.failed as error:
            raise OSError(first_line(error)) from None

    def days(self) -> list[str]:
        """The dates that it has rows of."""
        try:
            found = self.obstore.list_with_delimiter(self.store, ROOM)["common_prefixes"]
        except self.failed as error:
            raise OSError(first_line(error)) from None
        names = [one.rstrip("/").rpartition("/")[2] for one in found]
        return [one.removeprefix(DAY) for one in names if one.startswith(DAY)]

    def remove(self, day: str) -> None:
        """Remove all rows of a date."""
        try:
            for some in self.obstore.list(self.store, f"{ROOM}/{DAY}{day}"):
                self.obstore.delete(self.store, [one["path"] for one in some])
        except self.failed as error:
            raise OSError(first_line(error)) from None


def connection(url: str) -> dict[str, Any]:
    """What AZURE_STORAGE_CONNECTION_STRING says, which obstore does not read."""
    text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    if not text or not url.startswith(("az", "abfs", "adl")):
        return {}
    given = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    found: dict[str, Any] = {PARTS[name]: one for name, one in given.items() if name in PARTS}
    return found


def first_line(error: Exception) -> str:
    """The first line of an error that may have many."""
    return str(error).strip().partition("\n")[0][:300]


def destination(url: str) -> Destination:
    """The store of a URL, or of the path of a folder."""
    if "://" not in url or url.startswith("file://"):
        return Folder(Path(url.removeprefix("file://")))
    return Bucket(url)
