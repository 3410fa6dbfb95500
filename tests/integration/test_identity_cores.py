"""Identities on several cores, and secrets that change while requests run."""

import threading
import time

import pytest
from support.config import UPSTREAM_KEY, merge
from support.gateway import CHAT, QUESTION
from support.identity import APP, identity_settings, imds, trusting_config
from support.wire import Wire


@pytest.mark.multicore
def test_cores_share_keys_tokens_and_renewals(gateway, simulator, certs):
    sim = simulator(identity=identity_settings())
    config = merge(trusting_config(sim, certs, imds, {"unknown_key": "1s"}), {"gateway": {"workers": 3}})
    g = gateway(sim.instances, config)
    until = time.monotonic() + 10
    while g.ask("GET", "/health/ready", key=None).status != 200:
        assert time.monotonic() < until
        time.sleep(0.02)
    tokens, done, bad, count = [sim.mint(claims={"azp": APP})], threading.Event(), [], [0]

    def work():
        while not done.is_set():
            with g.connect() as wire:
                for _ in range(5):
                    answer = wire.ask("POST", CHAT, {"Authorization": f"Bearer {tokens[-1]}"}, QUESTION)
                    count[0] += 1
                    if answer.status != 200:
                        bad.append((answer.status, answer.body))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    before = sim.identity_state()["endpoints"]["imds"]["requests"]
    for turn in range(3):
        sim.rotate_keys(keep_old=True)
        tokens.append(sim.mint(claims={"azp": APP}))
        if turn == 1:
            sim.revoke()
        assert g.reload({"gateway": {"region": f"turn-{turn}"}}).status == 200
        seen, end = count[0], time.monotonic() + 30
        while count[0] < seen + 60 and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(1.1)  # the limit on asking for unknown keys is real time
    done.set()
    for t in threads:
        t.join()
    assert not bad and count[0] > 180
    assert sim.identity_state()["endpoints"]["imds"]["requests"] - before == 1


def test_a_key_in_a_mounted_vault_follows_its_rotation(gateway, upstream, tmp_path):
    """The CSI driver swaps a symlink to the folder that holds the secrets."""
    a = upstream("a")
    for version, key in (("..one", "first"), ("..two", UPSTREAM_KEY)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "azure").write_text(key + "\n")
    (tmp_path / "..data").symlink_to("..one")
    (tmp_path / "azure").symlink_to("..data/azure")
    g = gateway([a], {"credentials": {"azure": {"api_key": f"file:{tmp_path}/azure"}}})
    assert g.chat().status == 200
    assert a.requests[-1].header("api-key") == "first"
    (tmp_path / "..fresh").symlink_to("..two")
    (tmp_path / "..fresh").rename(tmp_path / "..data")
    until = time.monotonic() + 10
    while g.chat().status != 200 or a.requests[-1].header("api-key") != UPSTREAM_KEY:
        assert time.monotonic() < until
        time.sleep(0.05)
    with Wire(int(g.config["admin"]["address"].rpartition(":")[2])) as wire:
        for target in ("/status", "/metrics", "/config"):
            assert UPSTREAM_KEY.encode() not in wire.ask("GET", target, {"Host": "localhost"}).body
    assert UPSTREAM_KEY not in g.log()
