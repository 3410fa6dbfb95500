"""A real Redis that offers TLS, as Azure's do."""

import time

import pytest
from support.redis_server import RedisServer


@pytest.fixture
def redis(certs):
    with RedisServer(password="first-password-1234", tls=certs.make("redis", ["localhost"])) as server:
        yield server


def config(sim, certs, redis, **quotas):
    return {**sim.gateway_config(), "clients": {"app": {"quota": {"requests_per_minute": 4}}},
            "quotas": {"store": redis.tls_url, "password": redis.password, "ca_file": str(certs.ca), "burst": "60s",
                       "gateways": 2, **quotas}}


def wait_until_up(g, up=True):
    until = time.monotonic() + 15
    while (now := g.status()["quotas"])["up"] != up:
        assert time.monotonic() < until, now
        time.sleep(0.05)
    return now


def test_two_gateways_share_a_quota_through_tls_and_a_password_rotates(simulator, two_gateways, certs, tmp_path, redis):
    sim = simulator()
    secret = tmp_path / "redis-password"
    secret.write_text(redis.password)
    over = config(sim, certs, redis, password=f"file:{secret}")
    first, second = running = two_gateways(sim.instances, over)
    for g in running:
        wait_until_up(g)
    assert [first.chat().status for _ in range(4)] == [200] * 4
    refused = second.chat()
    assert (refused.status, refused.json()["error"]["code"]) == (429, "RateLimitExceeded")

    secret.write_text("second-password-5678")
    assert [g.reload().status for g in running] == [200, 200]
    redis.stop()
    redis.password = "second-password-5678"
    first.chat()
    redis.start()
    wait_until_up(first)
    assert "password-" not in first.log() + second.log()


def test_the_password_of_another_store_is_not_told_to_this_one(simulator, certs, gateway, redis):
    sim = simulator()
    g = gateway(sim.instances, config(sim, certs, redis))
    wait_until_up(g)
    other = {"quotas": {"store": "rediss://other.example:6380", "password": "of-the-other-9012"}}
    assert g.reload(other).status == 200 and "takes effect at the next start" in g.log()
    redis.stop()
    g.chat()
    wait_until_up(g, False)
    redis.start()
    wait_until_up(g)


def test_a_redis_that_is_not_trusted_is_away_and_traffic_goes_on(simulator, certs, gateway, tmp_path_factory, redis):
    sim = simulator()
    others = type(certs)(tmp_path_factory.mktemp("others"))
    g = gateway(sim.instances, config(sim, certs, redis, ca_file=str(others.ca)))
    told = wait_until_up(g, False)
    while not told["last_error"]:
        told = g.status()["quotas"]
    assert "certificate is refused" in told["last_error"]
    assert g.chat().status == 200


def test_a_bundle_that_is_not_there_is_refused(simulator, certs, gateway, redis):
    sim = simulator()
    g = gateway(sim.instances, config(sim, certs, redis))
    for wrong in ({"store": f"redis://localhost:{redis.port}"}, {"ca_file": "/nowhere/ca.pem"}):
        before = g.config
        answer = g.reload({"quotas": wrong})
        assert answer.status == 409 and "quotas.ca_file" in answer.body.decode()
        g.write(before)
    assert g.chat().status == 200
