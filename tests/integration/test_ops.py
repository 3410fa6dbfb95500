"""What operators rely on: a refused file changes nothing, a reader or a disk that fails stops nothing."""

import json
import os
import re
import resource
import socket
import subprocess
import time

import pytest
from support.config import KEY, UPSTREAM_KEY, free_port, key_hash, merge
from support.gateway import binary
from support.wire import Wire
from test_cli import spillway
from test_reload import copied, serial_of, wait_for


@pytest.fixture
def taken():
    """The address of a listener that belongs to somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        yield f"127.0.0.1:{s.getsockname()[1]}"


def with_ledger(g, name):
    return {"usage": {"spool": str(g.folder / f"spool-{name}"), "store": f"sqlite:{g.folder}/{name}.db"}}


# A refused file leaves nothing


@pytest.mark.parametrize("refused", ["listener", "admin", "access log", "capture file"])
def test_a_refused_file_leaves_nothing(gateway, a, taken, refused):
    g = gateway([a], {"pools": {"main": {"breaker": {"failures": 1000, "open": "30s"}}}})
    good = dict(g.config)
    bad = {"pools": {"main": {"breaker": {"failures": 1}}}, **with_ledger(g, "refused"), **{
        "listener": {"listeners": {"more": {"address": taken}}},
        "admin": {"admin": {"address": taken}},
        "access log": {"log": {"access": {"file": str(g.folder)}}},
        "capture file": {"log": {"capture": {"file": str(g.folder / "no such folder" / "c")}}},
    }[refused]}
    before = g.admin("GET", "/config").json()["hash"]
    g.write(merge(good, bad))
    g.config = good
    answer = g.reload()
    assert answer.status == 409, answer.body
    assert g.admin("GET", "/config").json()["hash"] == before
    assert not (g.folder / "spool-refused").exists()
    a.default = lambda c, r: c.error(500)
    g.chat()
    assert g.status()["pools"][0]["backends"][0]["breaker"]["state"] == "closed"
    # And nothing of it stands in the way of the next good one.
    assert g.reload(with_ledger(g, "good")).status == 200
    assert (g.folder / "spool-good").exists()


def test_admin_moves_to_another_address(one):
    port = free_port()
    before = one.admin_port
    over = merge(one.config, {"admin": {"address": f"127.0.0.1:{port}"}})
    with Wire(before) as wire:
        one.write(over)
        answer = wire.ask("POST", "/config/reload", {"Host": "127.0.0.1"}, b"")
    assert answer.status == 200, answer.body
    assert wait_for(lambda: one.admin("GET", "/health/live").status == 200)
    with pytest.raises(OSError):
        Wire(before, timeout=2)


# Rotation behind a bad file


def test_keys_and_certificates_rotate_while_the_file_on_the_disk_is_bad(gateway, a, certs, taken):
    g = gateway([a], start=False)
    secret, keys = g.folder / "azure.key", g.folder / "keys.yaml"
    secret.write_text("first-secret\n")
    keys.write_text(f"app: [{json.dumps(key_hash('first-client'))}]\n")
    g.config = merge(g.config, {
        "credentials": {"azure": {"api_key": f"file:{secret}"}}, "keys_file": str(keys),
        "listeners": {"public": {"tls": copied(g, certs.gateway)}}})
    g.start()
    good = dict(g.config)
    before = serial_of(g)
    g.write(merge(good, {"credentials": {"azure": {"api_key": "literal"}}, "listeners": {"more": {"address": taken}}}))
    g.config = good
    g.wait_for_metric(1, "spillway_config_reloads_total", result="bad")

    secret.write_text("second-secret\n")
    assert wait_for(lambda: g.chat().status == 200 and a.requests[-1].header("api-key") == "second-secret")
    keys.write_text(f"app: [{json.dumps(key_hash('second-client'))}]\n")
    assert wait_for(lambda: g.chat(key="second-client").status == 200)
    assert g.chat(key="first-client").status == 401
    copied(g, certs.make("rotated", ["localhost"], ["127.0.0.1"]))
    assert wait_for(lambda: serial_of(g) != before)
    assert g.reload().status == 409, "the file itself is still refused"


def test_one_bad_file_keeps_no_other_out(gateway, a):
    """A keys file and a secret that are broken: each keeps what it held, the rest rotates."""
    g = gateway([a], start=False)
    secret, keys = g.folder / "azure.key", g.folder / "keys.yaml"
    secret.write_text("first-secret\n")
    keys.write_text(f"app: [{json.dumps(key_hash('first-client'))}]\n")
    g.config = merge(g.config, {"credentials": {"azure": {"api_key": f"file:{secret}"}}, "keys_file": str(keys)})
    g.start()
    secret.write_bytes(b"abc\x01\n")
    g.wait_for_metric(1, "spillway_config_reloads_total", result="bad")
    keys.write_text(f"app: [{json.dumps(key_hash('second-client'))}]\n")
    assert wait_for(lambda: g.chat(key="second-client").status == 200)
    assert a.requests[-1].header("api-key") == "first-secret"
    keys.write_text("app: [broken\n")
    secret.write_text("third-secret\n")
    assert wait_for(lambda: g.chat(key="second-client").status == 200 and
                    a.requests[-1].header("api-key") == "third-secret")


# Readers that stop, disks that are full


def start_with_pipe(g, stream):
    """The gateway writes `stream` into a pipe that nobody reads; returns the reading end."""
    reading, writing = os.pipe()
    g.write(g.config)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writing}
    g.process = subprocess.Popen([binary("SPILLWAY_BIN", "spillway"), "run", "-c", str(g.file)], **streams)
    os.close(writing)
    assert wait_for(lambda: answers(g), 20)
    return reading


def answers(g):
    try:
        return g.admin("GET", "/health/live").status == 200 and g.ask("GET", "/health/live", key=None).status == 200
    except OSError:
        return False


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_a_log_that_nobody_reads_stops_nothing(gateway, a, stream):
    g = gateway([a], {"log": {"access": {"file": ""}}}, start=False)
    reading = start_with_pipe(g, stream)
    try:
        if stream == "stderr":
            good = dict(g.config)
            g.write(merge(good, {"routes": [{"clients": [f"nobody{n}" for n in range(45)], "deployment": "x", "pool": "no"}]}))
            g.config = good
            for _ in range(1000):
                assert g.reload().status == 409
                if g.metric("spillway_log_dropped_total", log="daemon") > 0:
                    break
            assert g.metric("spillway_log_dropped_total", log="daemon") > 0
        else:
            with g.connect() as wire:
                for _ in range(1000):  # a pipe holds 64 KiB
                    assert wire.ask("GET", "/nowhere", {"api-key": KEY}).status == 404
        assert g.chat().status == 200
        g.terminate()
        assert g.wait(10) == 0
    finally:
        os.close(reading)


def test_lines_that_a_full_disk_takes_are_counted_and_told(gateway, a):
    g = gateway([a], {"log": {"access": {"file": "/dev/full"}}})
    for _ in range(20):
        assert g.chat().status == 200
    g.wait_for_metric(20, "spillway_log_dropped_total", log="access")
    assert wait_for(lambda: "access log: lines are lost" in g.log())
    assert g.reload({"log": {"access": {"file": str(g.folder / "access.log")}}}).status == 200
    assert g.chat().status == 200
    assert wait_for(lambda: "access log: 20 lines were lost" in g.log())
    assert len(g.wait_for_access_log(1)) == 1


def test_json_logs_are_json_whatever_a_message_holds(gateway, a):
    g = gateway([a], {"log": {"format": "json"}})
    good = dict(g.config)
    g.write(merge(good, {'x"y\\': 1, "pools": {"main": {"balance": 'a","level":"critical","x":"'}}}))
    g.config = good
    assert g.reload().status == 409
    assert wait_for(lambda: "refused" in g.log())
    lines = [json.loads(line) for line in g.log().splitlines()]
    assert not any(line["level"] == "critical" or "x" in line for line in lines)


# The admin listener


def few_descriptors(g, limit):
    g.write(g.config)
    g.process = subprocess.Popen(
        [binary("SPILLWAY_BIN", "spillway"), "run", "-c", str(g.file)], stdout=subprocess.DEVNULL,
        stderr=g.output.open("ab"), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
    assert wait_for(lambda: answers(g), 20)


def processor_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_operators_are_answered_when_clients_have_all_descriptors(gateway, a):
    g = gateway([a], start=False)
    few_descriptors(g, 80)
    held = []
    for _ in range(100):
        try:
            held.append(Wire(g.port, timeout=1))
        except OSError:
            break
    try:
        for _ in range(3):
            assert g.admin("GET", "/health/live").status == 200
            assert g.admin("GET", "/metrics").status == 200
        assert g.reload({"gateway": {"expose_headers": True}}).status == 200
    finally:
        for wire in held:
            wire.close()
    assert wait_for(lambda: g.chat().status == 200)


def test_more_admin_connections_than_descriptors_are_no_busy_loop(gateway, a):
    g = gateway([a], start=False)
    few_descriptors(g, 64)
    guests = [Wire(g.admin_port, timeout=5) for _ in range(60)]
    before = processor_seconds(g.process.pid)
    time.sleep(1)  # what is measured: the processor time of a second
    assert processor_seconds(g.process.pid) - before < 0.5
    for wire in guests:
        wire.close()
    assert wait_for(lambda: answers(g))


def test_silent_guests_do_not_lock_operators_out(one):
    guests = [Wire(one.admin_port) for _ in range(100)]
    assert one.admin("GET", "/metrics").status == 200
    assert one.reload().status == 200
    assert guests[0].closed_by_peer(1), "who has been silent longest gives way"
    for wire in guests:
        wire.close()


def test_strangers_are_not_told_what_needs_attention(gateway, a):
    g = gateway([a], {"admin": {"keys": ["open-sesame-4711"]}})
    g.write(merge(g.config, {"routes": [{"clients": ["app"], "deployment": "*", "pool": "nowhere"}]}))
    g.hang_up()
    known = {"Authorization": "Bearer open-sesame-4711"}
    assert wait_for(lambda: b"refused" in g.admin("GET", "/health/ready", known).body)
    assert g.admin("GET", "/health/ready").body == b"ok\n"


def test_an_access_log_that_cannot_be_reopened_stays_where_it_is(one):
    one.chat()
    one.wait_for_access_log(1)
    file, folder = one.folder / "access.log", one.folder / "elsewhere"
    file.rename(one.folder / "access.log.1")
    file.mkdir()
    one.hang_up()
    assert wait_for(lambda: "access log: " in one.log())
    one.chat()
    assert wait_for(lambda: len((one.folder / "access.log.1").read_text().splitlines()) == 2)
    file.rename(folder)
    assert wait_for(file.exists), "tried again without another signal"
    one.chat()
    assert len(one.wait_for_access_log(1)) == 1


# What check finds


def test_a_password_in_an_endpoint_is_refused_and_shown_nowhere(gateway, a):
    g = gateway([a], {"instances": {"a": {"endpoint": "https://user:hidden-word@a.test"}}}, start=False)
    g.write(g.config)
    done = spillway("check", g.file)
    assert done.returncode == 1 and "user name or password" in done.stderr
    with pytest.raises(AssertionError, match="ended at once"):
        g.start()
    assert "hidden-word" not in done.stdout + done.stderr + g.log()


@pytest.mark.parametrize("over, told", [
    ({"listeners": {"public": {"address": "18311"}}}, "listeners.public.address"),
    ({"listeners": {"public": {"address": "0:18311"}}}, "listeners.public.address"),
    ({"admin": {"address": "127.1:9901"}}, "admin.address"),
    ({"log": {"access": {"file": "/tmp"}}}, "log.access.file"),
    ({"listeners": {"public": {"tls": {"certificate": "/etc/passwd", "key": "/etc/passwd"}}}}, "listeners.public.tls"),
    ({"instances": {"a": {"ca_file": "/etc/passwd"}}}, "instances.a.ca_file"),
    ({"instances": {"a": {"api_version": "2024-10-21 x"}}}, "instances.a.api_version"),
    ({"instances": {"a": {"region": "wëst"}}}, "instances.a.region"),
    ({"quotas": {"store": "redis://:x"}, "clients": {"app": {"quota": {"requests_per_minute": 5}}}}, "quotas.store"),
    ({"tracing": {"endpoint": "http://h h"}}, "tracing"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_what_a_start_would_refuse_check_refuses(gateway, a, over, told):
    g = gateway([a], over, start=False)
    g.write(g.config)
    done = spillway("check", g.file)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"error: {re.escape(told)}", done.stderr), done.stderr


@pytest.mark.parametrize("content, told", [
    (b"abc\x01\n", "control character"), (b"abc\r\nX-Evil: 1\n", "line ends"), (b"abc \n", "blank"),
    (b"\xff\xfea\0b\0", "UTF-16"), (b"\n", "empty"), (b"k\xc3\xa4y", "header field")])
def test_key_files_that_no_request_could_carry_are_refused(gateway, a, content, told):
    g = gateway([a], start=False)
    file = g.folder / "key"
    file.write_bytes(content)
    g.config["credentials"]["azure"] = {"api_key": f"file:{file}"}
    g.write(g.config)
    done = spillway("check", g.file)
    assert done.returncode == 1 and told in done.stderr, done.stderr
    with pytest.raises(AssertionError, match="ended at once"):
        g.start()


def test_a_byte_order_mark_is_no_part_of_a_key(gateway, a):
    g = gateway([a], start=False)
    file = g.folder / "key"
    file.write_bytes(b"\xef\xbb\xbf" + UPSTREAM_KEY.encode() + b"\r\n")
    g.config["credentials"]["azure"] = {"api_key": f"file:{file}"}
    g.start()
    assert g.chat().status == 200
    assert a.requests[-1].header("api-key") == UPSTREAM_KEY


# The spool


def test_a_spool_file_that_is_cut_short_ends_nothing(gateway, a):
    g = gateway([a], start=False)
    g.config = merge(g.config, with_ledger(g, "u"))
    g.start()
    assert g.chat().status == 200
    for file in (g.folder / "spool-u").iterdir():
        if file.suffix == ".frames":
            os.truncate(file, 0)
    for _ in range(20):
        assert g.chat().status == 200
    assert wait_for(lambda: "cut short" in g.log())
    assert wait_for(lambda: g.metric("spillway_ledger_written_total") >= 19, 10)
