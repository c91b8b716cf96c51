"""A store that does not answer is asked briefly, and the reason is one sentence."""

import errno
import socket

import pytest
from mlgitops.core.errors import UserError
from mlgitops.stores import move, reach
from mlgitops.stores.move import options
from mlgitops.stores.objects import here
from mlgitops.stores.store import store

LOGIN = "DefaultEndpointsProtocol=http;AccountName={name};AccountKey={key};BlobEndpoint={url};"
KEY = "a2V5"
LONGEST = reach.SECONDS  # before tests change it


@pytest.fixture
def reason(small, monkeypatch):
    """What the check says of a store, in one line."""
    small.version("one")

    def ask(url, account="devstoreaccount1"):
        with here() as place, pytest.raises(UserError) as told:
            reach.check(move.open_store(place, options(url, account)))
        assert len(str(told.value).splitlines()) == 1
        return str(told.value)

    return ask


@pytest.fixture
def endpoint(monkeypatch):
    """Lets the three clouds be at an address, with some login."""

    def name(url):
        login = LOGIN.format(name="acme", key=KEY, url=url)
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", login)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)

    return name


def test_nobody_waits_longer_than_ten_seconds():
    assert LONGEST <= 10


EACH = pytest.mark.parametrize("url", ["azure://dvc/p", "s3://dvc/p", "gs://dvc/p"])


@EACH
def test_a_name_that_nobody_has(reason, endpoint, url, monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name)
    endpoint("http://no-such-account.invalid")
    assert "name: there is no host no-such-account.invalid" in reason(url)


@EACH
def test_a_machine_that_does_not_answer(reason, endpoint, url):
    endpoint("http://127.0.0.1:9")
    assert "network: 127.0.0.1:9 cannot be reached" in reason(url)


def test_a_proxy_that_does_not_answer_is_what_is_named(reason, endpoint):
    endpoint("http://acme.example")
    assert "network: 127.0.0.1:9 cannot be reached" in reason("azure://dvc/p")


@EACH
def test_a_server_that_takes_and_never_answers(reason, endpoint, url, monkeypatch):
    monkeypatch.setattr(reach, "SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        endpoint(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert f"{url} gave no answer in 1 s: " in reason(url)


def test_a_container_that_is_not_there(reason, cloud):
    kind = cloud.partition(":")[0]
    told = reason(f"{kind}://elsewhere/p")
    assert "container: there is no elsewhere: " in told
    assert reach.CREATE[kind].format("elsewhere") in told


@pytest.mark.azurite
def test_a_login_that_is_none(reason, azure, azurite, monkeypatch):
    wrong = azurite.replace("AccountKey=Eby8", "AccountKey=AAAA")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", wrong)
    assert "permission: the login may not do this: az login" in reason(azure)


def signature(azurite, rights, hours):
    """The login of one who may do little, and for how long."""
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import generate_container_sas

    parts = dict(part.split("=", 1) for part in azurite.split(";") if part)
    token = generate_container_sas(
        parts["AccountName"], "dvc", account_key=parts["AccountKey"], permission=rights,
        expiry=datetime.now(UTC) + timedelta(hours=hours),
    )  # fmt: skip
    return f"BlobEndpoint={parts['BlobEndpoint']};SharedAccessSignature={token};AccountName=acme;"


@pytest.mark.azurite
def test_a_login_that_has_expired(reason, azure, azurite, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", signature(azurite, "rl", -1))
    assert "the login" in reason(azure)


@pytest.mark.azurite
def test_a_login_that_may_only_read_moves_nothing_and_says_why(small, azure, azurite, monkeypatch):
    small.version("one")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", signature(azurite, "rl", 1))
    before = (small.folder / ".dvc/config").read_bytes()
    with pytest.raises(UserError, match="permission: the login may not do this: az login"):
        store(url=azure, account="", verify=False, fix=False)
    assert (small.folder / ".dvc/config").read_bytes() == before


@pytest.mark.azurite
def test_a_container_that_was_deleted_and_is_back_is_filled_again(small, azure, azurite, capsys):
    from azure.storage.blob import BlobServiceClient

    objects = small.version("one")
    store(url=azure, account="", verify=False, fix=False)
    with BlobServiceClient.from_connection_string(azurite) as service:
        service.delete_container("dvc")
        with pytest.raises(UserError, match="container: there is no dvc"):
            store(url="", account="", verify=False, fix=True)
        service.create_container("dvc")
    store(url="", account="", verify=False, fix=True)
    assert f"holds     {len(objects)} objects" in capsys.readouterr().out


class Error(Exception):
    """One of a cloud's own."""


@pytest.mark.parametrize(("error", "word"), [
    (Error("An error occurred (NoSuchBucket) when calling"), "container"),
    (Error("ErrorCode:ContainerBeingDeleted"), "container"),
    (Error("(RequestTimeTooSkewed) The difference between"), "clock"),
    (Error("An error occurred (ExpiredToken): The provided token has expired"), "expired"),
    (Error("An error occurred (403) when calling HeadObject: Forbidden"), "permission"),
    (Error("ErrorCode:AuthorizationPermissionMismatch"), "permission"),
    (Error("DefaultAzureCredential failed to retrieve a token"), "permission"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk"),
])  # fmt: skip
def test_the_words_of_a_cloud_are_told_in_one_sentence(small, azure_place, error, word):
    with pytest.raises(UserError, match=rf"^azure://dvc/p: {word}: "), reach.explain(azure_place):
        raise error


def test_other_errors_keep_their_words_and_mistakes_of_the_program_their_type(azure_place):
    with (
        pytest.raises(UserError, match="cannot be used: Error nonsense"),
        reach.explain(azure_place),
    ):
        raise Error("nonsense")
    with pytest.raises(AttributeError), reach.explain(azure_place):
        raise AttributeError("nonsense")


@pytest.fixture
def azure_place():
    from mlgitops.stores.objects import Store

    return Store(None, "dvc/p/files/md5", "azure://dvc/p")
