"""The commands beside `run`: what scripts and people get from them."""

import json
import re
import subprocess

import pytest
from support.config import KEY, UPSTREAM_KEY, key_hash
from support.gateway import binary


def spillway(*args, text_in=None):
    done = subprocess.run([binary("SPILLWAY_BIN", "spillway"), *map(str, args)], input=text_in, text=True,
                          capture_output=True, timeout=30, check=False)
    assert UPSTREAM_KEY not in done.stdout + done.stderr
    return done


@pytest.fixture
def idle(gateway, a, b):
    """A gateway that has a file but does not run."""
    g = gateway([a, b], {"instances": {"a": {"region": "westeurope"}}}, start=False)
    g.write(g.config)
    return g


def test_version():
    assert re.search(r"\d+\.\d+\.\d+", spillway("version").stdout)


def test_wrong_usage_is_told_apart_from_failure():
    assert spillway("nonsense").returncode == 2
    assert spillway("check").returncode == 1, "there is no file in the usual place"


def test_check_of_a_good_file(idle):
    done = spillway("check", idle.file, "--files")
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_tells_everything_that_is_wrong_at_once(idle):
    idle.change({"pools": {"main": {"balance": "magic", "retry": {"attempts": "many"}}}, "surprise": 1})
    done = spillway("check", "-c", idle.file)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    for place in ("pools.main.balance", "pools.main.retry.attempts", "surprise"):
        assert re.search(rf"spillway\.yaml:\d+:\d+: error: {re.escape(place)}", text), text
    issues = json.loads(spillway("check", idle.file, "--json").stdout)
    assert sum(i["level"] == "error" for i in issues["issues"] if isinstance(issues, dict)) == 3


def test_check_reads_the_files_that_a_start_would_read(idle):
    idle.change({"listeners": {"public": {"tls": {"certificate": "/nowhere/tls.crt"}}}})
    assert spillway("check", idle.file).returncode == 0
    done = spillway("check", idle.file, "--files")
    assert done.returncode == 1
    assert "/nowhere/tls.crt" in done.stdout + done.stderr


def test_explain_tells_route_pool_and_order(idle):
    done = spillway("explain", "-c", idle.file, "--client", "app", "--deployment", "gpt-4o")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("a/gpt4o-a") < done.stdout.index("b/gpt4o-b")
    assert "main" in done.stdout and "westeurope" in done.stdout
    as_json = spillway("explain", "-c", idle.file, "--client", "app", "--deployment", "gpt-4o", "--json")
    assert "main" in json.dumps(json.loads(as_json.stdout))


def test_explain_tells_what_limits_the_request(idle):
    idle.change({"clients": {"app": {"priority": "low", "groups": ["g"], "quota": {
        "requests_per_minute": 600, "budget": {"money": 12.5, "per": "day"}}, "pool_quotas": {"main": {"concurrent": 3}}}},
        "groups": {"g": {"quota": {"tokens_per_minute": "120k"}}},
        "prices": {"models": {"gpt-4o": {"input": 1}}}, "pools": {"main": {"shed": {"low": "30%"}}}})
    done = spillway("explain", "-c", idle.file, "--client", "app", "--deployment", "gpt-4o")
    assert done.returncode == 0, done.stderr
    for text in ("quota of client app:", "requests_per_minute 600", "money_per_day 12.50 USD", "quota of group g:",
                 "tokens_per_minute 120000", "on pool main:  concurrent 3", "less than 30 %", "usage: not recorded"):
        assert text in done.stdout, done.stdout


def test_explain_goes_by_the_router_itself(idle):
    """Groups, globs, operations, headers in any case of letters, a split that stays with a user."""
    idle.change({"pools": {"other": {"model": "gpt-4o", "version": "1", "backends": [
        {"instance": "b", "deployment": "gpt4o-b"}]}},
        "clients": {"app": {"groups": ["g"]}, "second": {"groups": ["h"], "keys": [key_hash("another-key")]}},
        "routes": [
            {"name": "foreign", "clients": ["group:h"], "deployment": "*", "pool": "main"},
            {"name": "vectors", "clients": ["group:g"], "deployment": "gpt-*", "operations": ["embeddings"],
             "pool": "main"},
            {"name": "long", "clients": ["app"], "deployment": "gpt-4o", "headers": {"x-kind": "long*"}, "pool": "main"},
            {"name": "rest", "clients": ["*"], "deployment": "gpt-*",
             "split": {"main": 50, "other": 50, "sticky": "user"}}]})
    ask = ("explain", "-c", idle.file, "--client", "app", "--deployment", "gpt-4o", "--json")
    done = spillway(*ask)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["route"] == "rest"
    assert [(p["route"], p["because"]) for p in told["passed_over"]] == [
        ("foreign", "it does not name the client"), ("vectors", "it is for other operations"),
        ("long", "it wants header x-kind: long*")]
    assert [(p["pool"], p["share"]) for p in told["pools"]] == [("main", 50), ("other", 50)]
    assert "now" not in told["pools"][0], "a file knows nothing of breakers"
    assert json.loads(spillway(*ask, "-H", "X-Kind=longer").stdout)["route"] == "long"
    assert json.loads(spillway(*ask, "--operation", "embeddings").stdout)["route"] == "vectors"
    stays = {user: json.loads(spillway(*ask, "--user", user).stdout)["stays_with"] for user in "abcdefgh"}
    assert set(stays.values()) == {"main", "other"}
    assert json.loads(spillway(*ask, "--user", "a").stdout)["stays_with"] == stays["a"]


def test_explain_reads_no_secret_and_no_certificate(idle):
    idle.change({"credentials": {"nowhere": {"api_key": "file:/nowhere/key"}},
                 "instances": {"a": {"credential": "nowhere", "ca_file": "/nowhere/ca.pem"}}})
    done = spillway("explain", "-c", idle.file, "--client", "app", "--deployment", "gpt-4o")
    assert done.returncode == 0, done.stderr
    assert "credential nowhere (file:/nowhere/key)" in done.stdout


def test_explain_asks_a_running_gateway_what_it_would_do_now(pair, a, b):
    address = pair.config["admin"]["address"]

    def explained(*more):
        return spillway("explain", "--running", "--admin", address, "--client", "app", "--deployment", "gpt-4o", *more)

    now = json.loads(explained("--json").stdout)["pools"][0]["now"]
    assert now["first"] == {"backend": "a/gpt4o-a", "trial": False, "last_resort": False}
    assert [(o["backend"], o["because"], o["turn"]) for o in now["others"]] == [
        ("b/gpt4o-b", "comes after a/gpt4o-a", 2)]
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    assert pair.chat().status == 200
    now = json.loads(explained("--json").stdout)["pools"][0]["now"]
    assert now["first"]["backend"] == "b/gpt4o-b"
    other = now["others"][0]
    assert (other["backend"], other["state"], other["usable"], other["turn"]) == ("a/gpt4o-a", "throttled", False, None)
    assert re.fullmatch(r"throttled for (60\.0|5\d\.\d) s more", other["because"])
    text = explained().stdout
    assert "now asked first: b/gpt4o-b" in text and "not first: a/gpt4o-a, throttled for" in text
    # It is the request's own decision: the next request goes where this one said, and explaining has changed nothing.
    seen = len(b.requests)
    assert pair.chat().status == 200
    assert len(b.requests) == seen + 1
    b.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    pair.chat()
    assert "now nobody would be asked" in explained().stdout
    missing = spillway("explain", "--running", "--admin", address, "--client", "nobody", "--deployment", "gpt-4o")
    assert missing.returncode == 1 and "there is no client called 'nobody'" in missing.stderr


def test_explain_of_what_has_no_route(idle):
    idle.change({"routes": [{"clients": ["app"], "deployment": "other", "pool": "main"}]})
    done = spillway("explain", "-c", idle.file, "--client", "app", "--deployment", "gpt-4o")
    assert done.returncode == 1
    assert "other" in done.stdout + done.stderr


def test_new_key_opens_the_gateway_and_its_hash_is_right(gateway, a):
    text = spillway("keys", "new").stdout
    hashed = re.search(r"sha256:[0-9a-f]{64}", text)[0]
    key = next(w for w in re.findall(r"[\w-]{20,}", text.replace(hashed, "")) if key_hash(w) == hashed)
    g = gateway([a], {"clients": {"app": {"keys": [hashed]}}})
    assert g.chat(key=key).status == 200
    assert g.chat().status == 401


def test_hash_of_a_key_from_standard_input():
    assert key_hash(KEY) in spillway("keys", "hash", text_in=KEY + "\n").stdout


def test_status_of_a_running_gateway(pair, a):
    address = pair.config["admin"]["address"]
    a.then(lambda c, r: c.error(429, fields={"retry-after": "60"}))
    pair.chat()
    done = spillway("status", "--admin", address)
    assert done.returncode == 0, done.stderr
    assert "a/gpt4o-a" in done.stdout and "throttled" in done.stdout
    assert json.loads(spillway("status", "--admin", address, "--json").stdout)["pools"]
    assert spillway("status", "--admin", address, "--ready").returncode == 0
    pair.stop()
    assert spillway("status", "--admin", address, "--ready").returncode == 1
    assert spillway("status", "--admin", address).returncode == 1
