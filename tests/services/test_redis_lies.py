"""A Redis that is wrong, and real gateways before it: what a client sees, and how an operator gets out."""

import contextlib
import socket
import subprocess
import threading
import time

import pytest
from support import gateway as gateways
from support.config import KEY, key_hash, merge
from support.gateway import binary
from support.redis_server import RedisServer

OTHER_KEY = "key-of-the-client-beside-it"


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server


class Liar:
    """Stands before a Redis: `change(answer, command)` gives what to say to runs of the script; None closes."""

    def __init__(self, redis):
        self.redis, self.change, self.open = redis, None, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for s in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.redis.port))
                self.open += [client, server]
                for s in (client, server):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        asked, answers = client.makefile("rb"), server.makefile("rb")
        with contextlib.suppress(OSError, EOFError, ValueError):
            while True:
                command = self._value(asked)
                server.sendall(command)
                answer = self._value(answers)
                if self.change and b"EVAL" in command[:24]:
                    answer = self.change(answer, command)
                    if answer is None:
                        break
                client.sendall(answer)
        for s in (client, server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def _value(self, f):
        line = f.readline()
        if not line:
            raise EOFError
        n = int(line[1:]) if line[:1] in b"$*" else -1
        if line[:1] == b"$":
            return line if n < 0 else line + f.read(n + 2)
        return line + b"".join(self._value(f) for _ in range(max(n, 0)))


@pytest.fixture
def liar(redis):
    it = Liar(redis)
    yield it
    it.close()


def config(port, quota, **quotas):
    return {"clients": {"app": {"quota": quota}, "beside": {"keys": [key_hash(OTHER_KEY)],
                                                              "quota": {"requests_per_minute": 600000}}},
            "routes": [{"clients": ["app", "beside"], "deployment": "gpt-4o", "pool": "main"}],
            "quotas": {"store": f"redis://127.0.0.1:{port}", "gateways": 1, **quotas}}


def until(holds, seconds=8):
    end = time.monotonic() + seconds
    while not (last := holds()):
        assert time.monotonic() < end, last
        time.sleep(0.02)
    return last


def up(g):
    return g.status()["quotas"]["up"]


def command(g, *words):
    return subprocess.run([binary("SPILLWAY_BIN", "spillway"), "quotas", *words, "--admin", f"127.0.0.1:{g.admin_port}"],
                          capture_output=True, text=True, timeout=20)


def put(answer, *numbers):
    lines = answer.split(b"\r\n")
    for at, n in numbers:
        if len(lines) > at + 2 and lines[at + 2][:1] == b":":
            lines[at + 2] = b":%d" % n
    return b"\r\n".join(lines)


WRONG = {
    "moved": b"-MOVED 1 127.0.0.1:1\r\n", "ask": b"-ASK 1 127.0.0.1:1\r\n", "loading": b"-LOADING it loads\r\n",
    "readonly": b"-READONLY replica\r\n", "oom": b"-OOM no memory\r\n", "crossslot": b"-CROSSSLOT keys\r\n",
    "noscript": b"-NOSCRIPT none\r\n", "noauth": b"-NOAUTH who\r\n", "busy": b"-BUSY script\r\n",
    "err": b"-ERR of the script\r\n", "wrongtype": b"-WRONGTYPE of a key\r\n", "masterdown": b"-MASTERDOWN link\r\n",
    "nil": b"$-1\r\n", "nil_list": b"*-1\r\n", "status": b"+OK\r\n", "number": b":1\r\n", "text": b"$2\r\nhi\r\n",
    "empty": b"*0\r\n", "short": b"*2\r\n:0\r\n:0\r\n", "nested": b"*1\r\n*1\r\n*1\r\n:1\r\n", "resp3": b"%1\r\n+a\r\n:1\r\n",
    "push": b">1\r\n+a\r\n", "negative": b"$-5\r\n", "long_text": b"$10000000000\r\n", "overflow": b"$99999999999999999999\r\n",
    "long_list": b"*4294967296\r\n", "deep": b"*1\r\n" * 5000, "rubbish": b"\x00\xff\xfe rubbish",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n", "closed": None, "many_errors": b"-ERR a\r\n-ERR b\r\n",
}


def test_whatever_redis_says_nobody_waits_and_all_is_well_afterwards(one_backend, liar, redis):
    g = one_backend(config(liar.port, {"requests_per_minute": 60000, "concurrent": 20}))
    until(lambda: up(g))
    for name, answer in WRONG.items():
        began = time.monotonic()
        liar.change = lambda a, c, wrong=answer: wrong
        assert [g.chat().status for _ in range(3)] == [200] * 3, name
        assert time.monotonic() - began < 4, name
        liar.change = None
        until(lambda: up(g) and not any("alone" in h for h in g.status()["quotas"]["holders"]), 20)
        assert g.chat().status == 200, name
    assert g.resident_bytes() < 80 << 20


def test_an_endless_text_takes_no_memory(one_backend, liar, redis):
    g = one_backend(config(liar.port, {"requests_per_minute": 60000}))
    until(lambda: up(g))
    before = g.resident_bytes()
    liar.change = lambda a, c: b"$900000\r\n" + b"a" * 900000 + b"\r\n" + b"$500000000000\r\n" + b"a" * (8 << 20)
    until(lambda: (g.chat(), not up(g))[1])
    assert g.chat().status == 200
    assert g.resident_bytes() - before < 16 << 20
    liar.change = None
    until(lambda: up(g))


def test_one_answer_too_many_changes_nobodys_verdict(one_backend, liar, redis):
    g = one_backend(config(liar.port, {"requests_per_minute": 60}))
    until(lambda: up(g))
    once = []
    liar.change = lambda a, c: a if once else (once.append(1), a + a)[1]
    app = beside = 0
    for _ in range(150):
        app += g.chat().status == 200
        beside += g.chat(key=OTHER_KEY).status == 200
    assert once and beside == 150
    assert app <= 30 + 30 + 10, "a burst, and at most a share once more"


@pytest.mark.parametrize("numbers", [((3, -10**12), (6, -10**12)), tuple((i, 2**63 - 1) for i in range(1, 11)),
                                     tuple((i, -2**63) for i in range(1, 11))])
def test_a_wrong_number_heals_by_itself(one_backend, liar, redis, numbers):
    g = one_backend(config(liar.port, {"requests_per_minute": 6000, "tokens_per_minute": 1000000, "concurrent": 50}))
    until(lambda: up(g))
    liar.change = lambda a, c: put(a, *numbers)
    for _ in range(10):
        g.chat()
    liar.change = None
    until(lambda: up(g) and g.chat().status == 200 and g.chat().status == 200, 3)


def test_a_wrong_budget_goes_with_a_reset_at_any_gateway(simulator, two_gateways, redis):
    sim = simulator()
    over = merge(sim.gateway_config(), {"clients": {"app": {"quota": {"budget": {"tokens": 1000000, "per": "month"}}}},
                                        "quotas": {"store": redis.url, "gateways": 2}})
    first, second = running = two_gateways(sim.instances, over)
    for g in running:
        until(lambda g=g: up(g))
        assert g.chat().status == 200
    key = until(lambda: [k for k in redis.keys() if ":{client:app}:b:" in k])[0]
    redis.command("HSET", key, "gone.", "1900000 0 0 0 0")
    for g in running:
        until(lambda g=g: g.chat().status == 403)
    shown = command(second, "show", "app")
    assert shown.returncode == 0 and "gone, as told: 1900000 tokens" in shown.stdout, shown.stdout + shown.stderr
    assert command(first, "reset", "nobody").returncode == 1
    done = command(first, "reset", "app")
    assert done.returncode == 0 and "reset client:app" in done.stdout, done.stderr
    for g in running:
        until(lambda g=g: g.chat().status == 200)
    assert redis.command("HEXISTS", key, "gone.") == 0
    redis.command("FLUSHALL")
    for g in running:
        assert g.chat().status == 200


def test_one_key_in_trouble_costs_its_client_alone(one_backend, redis):
    g = one_backend(config(redis.port, {"requests_per_minute": 600}))
    until(lambda: up(g))
    assert g.chat().status == 200
    failures = g.status()["quotas"]["failures"]
    key = "spillway:q:{client:app}:s"
    redis.command("DEL", key)
    redis.command("SET", key, "x")
    for _ in range(30):
        assert g.chat(key=OTHER_KEY).status == 200
        assert g.chat().status == 200
        assert up(g)
    assert g.status()["quotas"]["failures"] == failures
    assert until(lambda: (g.chat(), redis.command("TYPE", key))[1] == "hash")


def test_a_limit_that_is_lowered_does_not_lock(one_backend, redis):
    g = one_backend(config(redis.port, {"requests_per_minute": 6000}))
    until(lambda: up(g))
    for _ in range(200):
        assert g.chat().status == 200
    assert g.reload({"clients": {"app": {"quota": {"requests_per_minute": 60}}}}).status == 200
    assert [g.chat().status for _ in range(3)] == [200] * 3, "the bucket is as full as it was"


def test_two_limits_for_one_client_share_it_in_parts(simulator, certs, tmp_path, redis):
    sim = simulator()
    running = []
    try:
        for name, limit in (("g1", 600000), ("g2", 600)):
            folder = tmp_path / name
            folder.mkdir()
            over = merge(sim.gateway_config(), {"clients": {"app": {"quota": {"requests_per_minute": limit}}},
                                                "quotas": {"store": redis.url, "gateways": 2}, "gateway": {"name": name}})
            running.append(gateways.build(folder, certs, sim.instances, over).start())
        for g in running:
            until(lambda g=g: up(g))
        assert [running[0].chat().status for _ in range(300)] == [200] * 300
        assert [running[1].chat().status for _ in range(20)] == [200] * 20
    finally:
        for g in running:
            g.stop()


@pytest.fixture
def one_backend(gateway, upstream):
    return lambda over: gateway([upstream("a")], over)


def test_a_redis_that_forgets_everything_under_load_costs_no_request(two_gateways, redis, upstream):
    """FLUSHALL takes buckets, permits, budgets and the script: gateways put back what they know, and nobody is refused."""
    running = two_gateways([upstream("a")], config(redis.port, {"requests_per_minute": 600000, "concurrent": 40,
                                                                "budget": {"tokens": 10**9, "per": "day"}}))
    until(lambda: all(up(g) for g in running))
    over, statuses = threading.Event(), []

    def load(g):
        while not over.is_set():
            statuses.append(g.chat().status)

    threads = [threading.Thread(target=load, args=(g,)) for g in running for _ in range(2)]
    for t in threads:
        t.start()
    for n in range(1, 6):
        until(lambda n=n: len(statuses) >= 60 * n)
        redis.command("FLUSHALL")
        redis.command("SCRIPT", "FLUSH")
    until(lambda: len(statuses) >= 400)
    over.set()
    for t in threads:
        t.join(20)
    assert set(statuses) == {200}
    until(lambda: all(up(g) for g in running))

    def limits():
        return [next(h for h in g.status()["quotas"]["holders"] if h["name"] == "client:app")["limits"] for g in running]

    # Nothing stays under way, and both count the same sum again, which is what all requests took.
    def agreed():
        both = limits()
        sums = {h["budget_tokens"]["used"] for h in both}
        return len(sums) == 1 and sums if all(h["concurrent"]["used"] == 0 for h in both) else False
    assert until(agreed, 15).pop() >= len(statuses)
