"""Whether a store answers, asked before DVC is, which waits long and says why at length."""

import errno
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from mlgitops.core.errors import UserError
from mlgitops.stores.objects import Store

SECONDS = 8.0
CONNECT = 4.0
LOGIN = {
    "azure": "az login, and the role Storage Blob Data Contributor (Reader, to read only)",
    "s3": "aws sso login, or AWS_PROFILE, with the rights to list, get and put objects",
    "gs": "gcloud auth application-default login, and the role Storage Object User",
}
CREATE = {
    "azure": "az storage container create --auth-mode login --account-name ACCOUNT --name {}",
    "s3": "aws s3 mb s3://{}",
    "gs": "gcloud storage buckets create gs://{}",
}
# What is wrong, by the words of any cloud; the first that fits.
REASONS = (
    ("container", r"ContainerNotFound|NoSuchBucket|ContainerBeingDeleted|ContainerDisabled"
                  r"|(container|bucket) does not exist|bucket.*not found|b/[^/ ]+/o\b"),
    ("clock", r"RequestTimeTooSkewed|header.{0,20}too old|RequestExpired|clock"),
    ("expired", r"ExpiredToken|TokenExpired|TokenRefreshRequired|[Ee]xpired"
                r"|not valid in the specified time frame"),
    ("permission", r"\b40[13]\b|AuthorizationPermission|AccessDenied|Forbidden|AuthenticationFailed"
                   r"|Authorization|InvalidAccessKeyId|SignatureDoesNotMatch|[Cc]redential"
                   r"|PermissionError|Access Denied|not allowed|anonymous"),
    ("disk", r"No space left|Disk quota"),
)  # fmt: skip


def check(store: Store) -> None:
    """Refuse a store that does not answer, in ten seconds and with the reason in a sentence."""
    if kind(store) not in LOGIN:
        return
    step, failures = ["its login does not answer"], list[BaseException]()

    def work() -> None:
        try:
            ask(store, step)
        except BaseException as error:
            failures.append(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        raise UserError(f"{store.url} gave no answer in {SECONDS:.0f} s: {step[0]}")
    for error in failures:
        with explain(store):
            raise error


def ask(store: Store, step: list[str]) -> None:
    """Look up the store's host, connect, and list one object; `step` says what is being tried."""
    host, port = address(store)
    step[0] = f"network: the name {host} is not answered"
    try:
        socket.getaddrinfo(host, port)
    except OSError as error:
        raise UserError(
            f"{store.url}: name: there is no host {host} ({error.strerror or error}): "
            "is the name of the account right, and this machine online?"
        ) from None
    step[0] = f"network: {host}:{port} does not answer"
    try:
        socket.create_connection((host, port), CONNECT).close()
    except OSError as error:
        raise UserError(
            f"{store.url}: network: {host}:{port} cannot be reached ({error.strerror or error}): "
            "is a firewall or a VPN between?"
        ) from None
    step[0] = f"permission: {host} was reached, and no login was found: {LOGIN[kind(store)]}"
    list_one(store)


def kind(store: Store) -> str:
    """Which cloud it is, by the scheme of its URL."""
    return urlsplit(store.url).scheme


def address(store: Store) -> tuple[str, int]:
    """Where the store is reached: its host and port, or those of the proxy before it."""
    fs = store.fs.fs
    if kind(store) == "azure":
        url = fs.service_client.url
    elif kind(store) == "s3":
        fs.connect()
        url = fs.s3.meta.endpoint_url
    else:
        url = fs._location
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def list_one(store: Store) -> None:
    """One request that needs what reading needs: the login, the right, the container."""
    fs, (bucket, _, prefix) = store.fs.fs, store.path.partition("/")
    if kind(store) == "azure":
        from fsspec.asyn import sync

        async def first() -> None:
            client = fs.service_client.get_container_client(bucket)
            async for _ in client.list_blobs(prefix, results_per_page=1):
                break

        sync(fs.loop, first)
    elif kind(store) == "s3":
        fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
    else:
        fs.call("GET", "b/{}/o", bucket, maxResults=1, json_out=True)


def sentence(store: Store, error: BaseException) -> str:
    """What is wrong, and what to do, of whatever a cloud's own library says."""
    words = f"{type(error).__name__} {getattr(error, 'error_code', '')} {error}"
    reason = next((name for name, pattern in REASONS if re.search(pattern, words)), "")
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        reason = "disk"
    bucket = store.path.partition("/")[0]
    cloud = kind(store)
    known = {
        "container": f"there is no {bucket}: {CREATE.get(cloud, '{}').format(bucket)}",
        "clock": "the clock of this machine is off, so no request is taken: set it",
        "expired": f"the login has expired: {LOGIN.get(cloud, '')}",
        "permission": f"the login may not do this: {LOGIN.get(cloud, '')}",
        "disk": "the disk is full: make room, and run this again",
    }
    if reason:
        return f"{store.url}: {reason}: {known[reason]}"
    return f"{store.url} cannot be used: {' '.join(words.split())[:200]}"


@contextmanager
def explain(store: Store) -> Iterator[None]:
    """What fails within the block is said in a sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise  # no cloud's: a mistake of this program
        raise UserError(sentence(store, error)) from error
