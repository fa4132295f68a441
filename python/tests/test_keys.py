"""Key files: what is read, and what is refused with which sentence."""

import json
import os
import stat
import subprocess
import sys

import pytest
from keyring import Pair
from support import PACKAGE

from rayferry.bridge.curve import ClientKeys
from rayferry.errors import KeyFileError, StartError
from rayferry.keys import KeyPair, read_pair, read_public
from rayferry.log import no_log


@pytest.fixture
def server(tmp_path):
    return Pair("server").save(tmp_path)


def refusal(read, *arguments):
    with pytest.raises(KeyFileError) as caught:
        read(*arguments)
    assert isinstance(caught.value, StartError)
    assert caught.value.code == "KEY_FILE"
    assert str(arguments[0]) in caught.value.message
    return caught.value.reason


def test_both_files_are_read(server):
    assert read_pair(server.key, "server") == KeyPair(server.public, server.secret)
    assert read_public(server.pub, "server") == server.public


def test_halves_and_roles_that_are_mixed_up(server, tmp_path):
    client = Pair("client").save(tmp_path)
    assert refusal(read_pair, server.pub, "server") == "NOT_SECRET"
    assert refusal(read_public, server.key, "server") == "SECRET"
    assert refusal(read_pair, client.key, "server") == "WRONG_ROLE"
    assert refusal(read_public, server.pub, "client") == "WRONG_ROLE"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_secret_that_others_may_read(server, mode):
    server.key.chmod(mode)
    assert refusal(read_pair, server.key, "server") == "OPEN"
    with pytest.raises(KeyFileError, match=f"chmod 600 {server.key}"):
        read_pair(server.key, "server")
    server.key.chmod(0o400)
    assert read_pair(server.key, "server").secret == server.secret


def test_a_file_that_is_missing_or_no_file(tmp_path):
    assert refusal(read_pair, tmp_path / "no.key", "server") == "MISSING"
    assert refusal(read_public, tmp_path, "client") == "UNREADABLE"


@pytest.mark.parametrize(
    "change",
    [
        {"rayferry_key": "both"},
        {"rayferry_key": ["server"]},
        {"name": None},
        {"public": "short"},
        {"public": "é" * 40},
        {"public": "x" * 39 + "\n"},
        {"secret": 5},
        {"secret": ""},
        {"padding": "x" * 4096},
    ],
)
def test_a_file_that_is_malformed(server, change):
    server.key.write_text(json.dumps(json.loads(server.key.read_text()) | change))
    assert refusal(read_pair, server.key, "server") == "MALFORMED"


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"null", b"[" * 4000])
def test_a_file_that_is_something_else(server, content):
    server.pub.write_bytes(content)
    assert refusal(read_public, server.pub, "server") == "MALFORMED"


def test_clients_in_files_and_folders_and_nobody_else(tmp_path):
    folder = tmp_path / "allowed"
    folder.mkdir()
    one, two, stranger = Pair("client", "one").save(folder), Pair("client", "two").save(tmp_path), Pair("client")
    keys = ClientKeys([folder, two.pub], no_log)
    assert [keys.allows(each.public) for each in (one, two, stranger)] == [True, True, False]
    assert not keys.allows("")


def test_a_mistake_among_the_clients_shows_at_the_start(tmp_path, server):
    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyFileError) as caught:
        ClientKeys([tmp_path / "empty"], no_log)
    assert caught.value.reason == "NO_CLIENTS"
    with pytest.raises(KeyFileError):
        ClientKeys([Pair("client").save(tmp_path).pub, server.pub], no_log)


# python -m rayferry keys


def run_keys(folder, *arguments):
    command = [sys.executable, "-m", "rayferry", "keys", "--out", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, umask=0)


def test_keys_command_makes_both_pairs_for_their_owner_alone(tmp_path):
    folder = tmp_path / "keys"
    made = run_keys(folder)
    assert made.returncode == 0, made.stderr
    assert sorted(each.name for each in folder.iterdir()) == ["client.key", "client.pub", "server.key", "server.pub"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for role in ("server", "client"):
        pair = read_pair(folder / f"{role}.key", role)
        assert pair.public == read_public(folder / f"{role}.pub", role)
        assert f"{folder}/{role}.key" in made.stdout
        assert pair.secret not in made.stdout


def test_keys_command_makes_one_by_name_and_writes_over_nothing(tmp_path):
    assert run_keys(tmp_path, "--name", "worker-2").returncode == 0
    before = read_pair(tmp_path / "worker-2.key", "client")
    again = run_keys(tmp_path, "--name", "worker-2")
    assert again.returncode == 3
    assert json.loads(again.stderr)["code"] == "KEY_FILE"
    assert read_pair(tmp_path / "worker-2.key", "client") == before
    assert run_keys(tmp_path, "--name", "s2", "--role", "server").returncode == 0
    read_pair(tmp_path / "s2.key", "server")
    assert "--name" in json.loads(run_keys(tmp_path, "--name", "../x").stderr)["msg"]
