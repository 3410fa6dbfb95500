"""What stands in the place of a file: pipes, folders, links to themselves, files of the same size and time. The
configuration that runs serves on, the admin listener answers, and the right file is taken when it is back."""

import os
import shutil
import subprocess

import pytest
from support.config import KEY, key_hash
from support.gateway import binary
from support.identity import until


def put(file, text):
    fresh = file.with_name(file.name + ".fresh")
    fresh.write_text(text)
    fresh.rename(file)


def files_of(g, certs):
    """A file for each kind of what the configuration names."""
    secret, keys, ca = g.folder / "azure.key", g.folder / "keys.yaml", g.folder / "ca.pem"
    secret.write_text("the-instances-own-secret\n")
    keys.write_text(f"app: ['{key_hash('second')}']\n")
    shutil.copy(certs.ca, ca)
    certificate, key = (shutil.copy(f, g.folder / f"gateway.{end}") for f, end in zip(certs.gateway, ("crt", "pem"), strict=True))
    config = g.config
    config["keys_file"] = str(keys)
    config["credentials"]["azure"] = {"api_key": f"file:{secret}"}
    config["instances"]["a"]["ca_file"] = str(ca)
    config["listeners"]["public"]["tls"] = {"certificate": str(certificate), "key": str(key), "client_ca": str(ca),
                                            "client_auth": "optional"}
    config["token_providers"] = {"p": {"issuer": "https://127.0.0.1:1", "audiences": ["x"], "ca_file": str(ca)}}
    config["routes"][0]["clients"] = ["app"]
    return {"configuration": g.file, "secret": secret, "keys": keys, "authorities": ca,
            "certificate": g.folder / "gateway.crt", "key": g.folder / "gateway.pem"}


@pytest.fixture
def odd(gateway, certs, a):
    g = gateway([a], start=False)
    files = files_of(g, certs)
    return g.start(), files


def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(odd):
    g, files = odd
    for name, file in files.items():
        keep = file.read_text()
        file.unlink()
        os.mkfifo(file)
        answer = g.reload()
        assert 400 <= answer.status < 500, name
        assert "is a named pipe" in answer.body.decode() and "regular file" in answer.body.decode(), answer.body
        assert g.chat().status == 200, name
        put(file, keep)
        assert g.reload().status == 200, name
        assert g.chat().status == 200 and g.chat(key="second").status == 200, name


@pytest.mark.parametrize("name", ["configuration", "secret", "authorities"])
def test_other_things_in_the_place_of_a_file(odd, name):
    g, files = odd
    file = files[name]
    keep = file.read_text()
    away = g.folder.with_name(g.folder.name + "-away")

    def link_to_itself():
        file.unlink()
        file.symlink_to(file)

    def device():
        file.unlink()
        file.symlink_to("/dev/zero")

    def folder():
        file.unlink()
        file.mkdir()

    for spoil, undo in (
            (file.unlink, lambda: None), (folder, file.rmdir), (link_to_itself, file.unlink), (device, file.unlink),
            (lambda: file.write_text(""), lambda: None), (lambda: os.truncate(file, 8 << 30), lambda: None),
            (lambda: g.folder.rename(away), lambda: away.rename(g.folder))):
        spoil()
        assert g.admin("POST", "/config/reload").status >= 400
        assert g.chat().status == 200
        undo()
        put(file, keep)
        assert g.reload().status == 200
    assert g.chat().status == 200


def test_the_same_size_and_time_hide_no_change(odd):
    g, files = odd
    file = files["keys"]
    time = file.stat()
    assert g.chat(key="second").status == 200
    with file.open("r+") as f:
        f.write(f"app: ['{key_hash('third')}']\n")
    os.utime(file, ns=(time.st_atime_ns, time.st_mtime_ns))
    until(lambda: g.chat(key="third").status == 200)
    assert g.chat(key="second").status == 401
    # Twice within one tick of the file system's clock: the last one counts.
    with file.open("r+") as f:
        for key in ("second", "fourth"):
            f.seek(0)
            f.write(f"app: ['{key_hash(key)}']\n")
            f.flush()
    until(lambda: g.chat(key="fourth").status == 200)
    assert g.chat(key="third").status == 401 and g.chat(key=KEY).status == 200


def test_a_configuration_may_come_by_the_shells_own_pipes(odd, tmp_path):
    g, files = odd
    text = files["configuration"].read_bytes()
    command = [binary("SPILLWAY_BIN", "spillway"), "check", "--config"]
    assert subprocess.run([*command, "/dev/stdin"], input=text, timeout=20, check=False).returncode == 0
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused = subprocess.run([*command, str(pipe)], capture_output=True, timeout=20, check=False)
    assert refused.returncode == 1 and b"the file is a named pipe" in refused.stderr
