"""Objects have owners: what one client made, no other reaches, and each request goes where its objects are."""

import json
import random

import pytest
from support import gateway as gateways
from support.config import KEY, key_hash
from support.gateway import CHAT
from support.simulator import Simulator
from support.wire import compose

OTHER = "key-of-the-other-0815"
FIRST, SECOND = ({"number": n, "secret": f"tag-secret-number-{n}-of-this-test"} for n in (1, 2))
RESPONSES = "/openai/v1/responses"


@pytest.fixture(scope="module")
def azure(certs, tmp_path_factory):
    sim = Simulator(tmp_path_factory.mktemp("simulator"), certs, ("a", "b"), deterministic=False)
    for instance in sim.settings["instances"].values():
        instance.update(job_time="20ms", deployments={
            "gpt-4o": {"first_token": "0", "per_token": "0", "reasoning_tokens": 5}})
    sim.start()
    yield sim
    sim.stop()


@pytest.fixture(autouse=True)
def well(azure):
    yield
    azure.heal()


def configuration(keys, instances=("a", "b"), **affinity):
    return {"pools": {"main": None, "gpt": {"model": "gpt-4o", "version": "1", "backends": [
                {"instance": i, "deployment": "gpt-4o", "type": "global_standard"} for i in instances]}},
            "clients": {"app": {"groups": ["team"]}, "other": {"keys": [key_hash(OTHER)], "groups": ["team"]}},
            "affinity": {"keys": keys, **affinity},
            "routes": [{"clients": ["*"], "deployment": "gpt-4o", "pool": "gpt"}]}


@pytest.fixture
def house(azure, certs, tmp_path):
    """house(keys...) makes a gateway; several are as replicas."""
    made = []

    def make(keys=(FIRST,), **how):
        g = gateways.build(tmp_path / f"g{len(made)}", certs, azure.instances, configuration(list(keys), **how))
        made.append(g)
        g.start()
        return g
    (tmp_path / "g0").mkdir()
    (tmp_path / "g1").mkdir()
    yield make
    for g in made:
        g.stop()


def ask(g, method, target, body=None, key=KEY):
    fields = {"content-type": "application/json"} if body is not None else {}
    answer = g.ask(method, target, fields, json.dumps(body).encode() if body is not None else None, key=key)
    return answer, json.loads(answer.body) if answer.body else None


def respond(g, key=KEY, **members):
    answer, said = ask(g, "POST", RESPONSES, {"model": "gpt-4o", "input": "hello", **members}, key)
    assert answer.status == 200, said
    return answer.header("x-sim-instance"), said


def upload(g, content=b"{}", purpose="assistants", key=KEY):
    form = (b"--b0\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose.encode() +
            b"\r\n--b0\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n\r\n" + content +
            b"\r\n--b0--\r\n")
    answer = g.ask("POST", "/openai/v1/files", {"content-type": "multipart/form-data; boundary=b0"}, form, key=key)
    assert answer.status == 200, answer.body
    return answer.header("x-sim-instance"), json.loads(answer.body)["id"]


def test_a_conversation_stays_on_its_instance(house):
    g = house()
    seen = set()
    for _ in range(12):
        home, first = respond(g)
        seen.add(home)
        for _ in range(3):
            where, first = respond(g, previous_response_id=first["id"])
            assert where == home
        answer, again = ask(g, "GET", f"{RESPONSES}/{first['id']}")
        assert (answer.status, answer.header("x-sim-instance"), again["id"]) == (200, home, first["id"])
    assert seen == {"a", "b"}, "without a tie both serve"


def test_a_stream_tells_the_ids_that_a_later_request_can_name(house):
    g = house()
    answer = g.ask("POST", RESPONSES, {"content-type": "application/json"},
                   json.dumps({"model": "gpt-4o", "input": "hello", "stream": True, "background": True}).encode())
    assert answer.status == 200
    events = [json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data: {")]
    ends = events[-1]["response"]
    assert {e["response"]["id"] for e in events if "response" in e} == {ends["id"]}
    items = {i["id"] for i in ends["output"]}
    assert items >= {e["item_id"] for e in events if "item_id" in e} | {e["item"]["id"] for e in events if "item" in e}
    for item in items:
        where, _ = respond(g, input=[{"type": "item_reference", "id": item}, {"role": "user", "content": "x"}])
        assert where == answer.header("x-sim-instance")
    again = g.ask("GET", f"{RESPONSES}/{ends['id']}?stream=true&starting_after=2")
    assert again.status == 200 and ends["id"].encode() in again.body


def test_the_owner_of_an_object_throttles_and_no_other_is_asked(house, azure):
    g = house()
    home, made = respond(g)
    azure.fault(instance=home, fault="status", status=429, retry_after="7")
    answer, said = ask(g, "POST", RESPONSES, {"model": "gpt-4o", "input": "x", "previous_response_id": made["id"]})
    assert answer.status == 429 and 1 <= int(answer.header("retry-after")) <= 7, said
    other, _ = respond(g)
    assert other != home, "what has no tie is served elsewhere"


def test_without_keys_nothing_that_an_instance_keeps_is_served(azure, certs, tmp_path):
    g = gateways.build(tmp_path, certs, azure.instances, {**configuration([FIRST]), "affinity": None})
    g.start()
    try:
        made = respond(g)[1]
        assert len(made["id"]) < 60
        for method, target, body in (("GET", f"{RESPONSES}/{made['id']}", None),
                                     ("POST", RESPONSES, {"model": "gpt-4o", "input": "x",
                                                          "previous_response_id": made["id"]})):
            answer, said = ask(g, method, target, body)
            assert answer.status == 400, said
    finally:
        g.stop()


def every_place(response, item, file):
    """Requests that name an object, wherever the API lets them."""
    q = {"model": "gpt-4o", "input": "x"}
    text = {"role": "user", "content": "x"}
    return [
        ("GET", f"{RESPONSES}/{response}", None),
        ("DELETE", f"{RESPONSES}/{response}", None),
        ("POST", f"{RESPONSES}/{response}/cancel", None),
        ("GET", f"{RESPONSES}/{response}/input_items", None),
        ("GET", f"/openai/responses/{response}?api-version=2025-04-01-preview", None),
        ("POST", RESPONSES, {**q, "previous_response_id": response}),
        ("POST", RESPONSES, {**q, "input": [{"type": "item_reference", "id": item}, text]}),
        ("POST", RESPONSES, {**q, "input": [{"id": item}, text]}),
        ("POST", RESPONSES, {**q, "input": [{"type": "message", "role": "user", "content": [
            {"type": "input_file", "file_id": file}]}]}),
        ("POST", RESPONSES, {**q, "tools": [{"type": "code_interpreter", "container": {
            "type": "auto", "file_ids": [file]}}]}),
        ("GET", f"/openai/v1/files/{file}", None),
        ("DELETE", f"/openai/v1/files/{file}", None),
        ("GET", f"/openai/v1/files/{file}/content", None),
        ("POST", "/openai/v1/vector_stores", {"file_ids": [file]}),
        ("POST", "/openai/v1/batches", {"input_file_id": file, "endpoint": "/v1/responses",
                                        "completion_window": "24h"}),
        ("POST", "/openai/v1/threads", {"messages": [{**text, "attachments": [{"file_id": file, "tools": []}]}]}),
        ("POST", "/openai/v1/fine_tuning/jobs", {"model": "gpt-4o", "training_file": file}),
    ]


def spoiled(rng, id):
    """Ids that nobody was given: cut, changed, without a tag, with another's."""
    at = rng.randrange(len(id) - 16, len(id))
    other = rng.choice([c for c in "abcXYZ019" if c != id[at]])
    return rng.choice([id[:-1], id[:-16], id[:at] + other + id[at + 1:], id + "A", id[:-16] + id[-16:].swapcase(),
                       id[:-16] + "1" + id[-15:] if id[-16] != "1" else id[:-16] + "2" + id[-15:]])


def test_nobody_uses_what_another_client_made(house, azure):
    g = house()
    made = respond(g)[1]
    message = next(i["id"] for i in made["output"] if i["type"] == "message")
    file = upload(g)[1]
    mine = every_place(made["id"], message, file)
    rng = random.Random(4711)
    theirs = [p for _ in range(3) for p in every_place(
        *(spoiled(rng, i) for i in (made["id"], message, file)))]
    before = len(azure.requests())
    attempts = 0
    for key, places in ((OTHER, mine), (OTHER, theirs), (KEY, theirs)):
        for method, target, body in places:
            answer, said = ask(g, method, target, body, key)
            assert answer.status in (400, 404), (method, target, body, said)
            assert said["error"]["code"] in ("ObjectNotFound", "previous_response_not_found"), (method, target, body, said)
            attempts += 1
    assert attempts == 17 * 7
    assert len(azure.requests()) == before, "no instance was asked"
    # The owner still has them.
    assert ask(g, "GET", f"{RESPONSES}/{made['id']}")[0].status == 200
    assert ask(g, "GET", f"/openai/v1/files/{file}")[0].status == 200


def test_an_escaped_id_is_read_as_what_it_says(house, azure):
    g = house()
    made = respond(g)[1]
    body = b'{"model":"gpt-4o","input":"x","previous_response_id":"\\u0072' + made["id"][1:].encode() + b'"}'
    answer = g.ask("POST", RESPONSES, {"content-type": "application/json"}, body, key=OTHER)
    assert answer.status == 400 and b"previous_response_not_found" in answer.body


def test_reasoning_goes_back_to_the_instance_that_wrote_it(house, azure):
    g = house()
    for _ in range(6):
        home, made = respond(g, store=False, include=["reasoning.encrypted_content"])
        sealed = [i for i in made["output"] if i["type"] == "reasoning"]
        assert sealed and sealed[0]["encrypted_content"].startswith("sw1.")
        assert len(made["id"]) < 70, "what nobody keeps has no tag"
        where, _ = respond(g, store=False, input=[*sealed, {"role": "user", "content": "more"}])
        assert where == home
        answer, said = ask(g, "POST", RESPONSES, {"model": "gpt-4o", "store": False, "input": sealed}, OTHER)
        assert (answer.status, said["error"]["code"]) == (400, "invalid_encrypted_content")


def test_a_group_may_share_its_objects(house):
    g = house(scope="group")
    home, made = respond(g)
    answer, said = ask(g, "GET", f"{RESPONSES}/{made['id']}", key=OTHER)
    assert (answer.status, answer.header("x-sim-instance"), said["id"]) == (200, home, made["id"])


def test_a_second_gateway_needs_the_key_alone_and_keys_rotate(house):
    one, two = house((FIRST,)), house((SECOND, FIRST))
    home, old = respond(one)
    where, new = respond(two, previous_response_id=old["id"])
    assert where == home and new["id"][-16] == "2"
    assert ask(one, "GET", f"{RESPONSES}/{new['id']}")[0].status == 404, "it does not know the new key yet"
    assert one.reload({"affinity": {"keys": [FIRST, SECOND]}}).status == 200
    assert ask(one, "GET", f"{RESPONSES}/{new['id']}")[0].status == 200
    assert two.reload({"affinity": {"keys": [SECOND]}}).status == 200
    assert ask(two, "GET", f"{RESPONSES}/{old['id']}")[0].status == 404, "its key is gone"


def test_an_instance_that_is_gone_answers_for_its_objects(house):
    g = house()
    made = {}
    while len(made) < 2:
        home, said = respond(g)
        made[home] = said["id"]
    instances = g.config["instances"]
    assert g.reload({"instances": {"b": None}, "pools": {"gpt": configuration([FIRST], ("a",))["pools"]["gpt"]}}).status == 200
    answer, said = ask(g, "GET", f"{RESPONSES}/{made['b']}")
    assert (answer.status, said["error"]["code"]) == (410, "ObjectGone")
    assert ask(g, "GET", f"{RESPONSES}/{made['a']}")[0].status == 200
    assert g.reload({"instances": instances, "pools": configuration([FIRST])["pools"]}).status == 200
    assert ask(g, "GET", f"{RESPONSES}/{made['b']}")[0].status == 200, "nothing is lost by it"


def test_files_of_one_client_lie_together(house):
    g = house()
    assert len({upload(g)[0] for _ in range(8)}) == 1


def test_a_form_names_its_deployment_anywhere(house, azure):
    g = house()
    sound = b"R" * 200_000
    part = b"--b0\r\ncontent-disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
    form = (b"--b0\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n" + sound + b"\r\n" +
            part % (b"model", b"whisper-of-nobody") + b"--b0--\r\n")
    answer = g.ask("POST", "/openai/v1/audio/transcriptions", {"content-type": "multipart/form-data; boundary=b0"}, form)
    assert answer.status == 404, "the name decides, wherever it stands"
    twice = part % (b"model", b"gpt-4o") + form
    answer = g.ask("POST", "/openai/v1/audio/transcriptions", {"content-type": "multipart/form-data; boundary=b0"}, twice)
    assert answer.status == 400


def test_a_form_names_no_file_of_another(house, azure):
    g = house()
    container = ask(g, "POST", "/openai/v1/containers", {"name": "c"})[1]["id"]
    mine, theirs = upload(g)[1], upload(g, key=OTHER)[1]
    part = '--b0\r\ncontent-disposition: form-data; name="file_id"%s\r\n\r\n%s\r\n--b0--\r\n'
    before = len(azure.requests())
    for more in ("", '; filename="x"'):
        for id in (theirs, theirs[:-16], mine[:-16]):
            answer = g.ask("POST", f"/openai/v1/containers/{container}/files",
                           {"content-type": "multipart/form-data; boundary=b0"}, (part % (more, id)).encode())
            assert answer.status == 404, answer.body
    assert len(azure.requests()) == before
    answer = g.ask("POST", f"/openai/v1/containers/{container}/files",
                   {"content-type": "multipart/form-data; boundary=b0"}, (part % ("", mine)).encode())
    assert answer.status == 200, answer.body


@pytest.mark.native_only  # a sanitizer keeps freed memory
def test_a_large_upload_is_held_nowhere(house, azure):
    g = house()
    small = upload(g)
    before = g.resident_bytes()
    size = 200 << 20
    head = (b"--b0\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n"
            b"--b0\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n")
    tail = b"\r\n--b0--\r\n"
    with g.connect() as c:
        c.send(compose("POST", "/openai/v1/files", {
            "api-key": KEY, "content-type": "multipart/form-data; boundary=b0",
            "content-length": str(len(head) + size + len(tail))}) + head)
        block = b"x" * (1 << 20)
        for _ in range(size >> 20):
            c.send(block)
        most = g.resident_bytes()
        answer = c.send(tail).read_answer()
        assert answer.status == 200, answer.body
        assert json.loads(answer.body)["bytes"] == size
        assert answer.header("x-sim-instance") == small[0]
        # The connection is in step: another request may follow.
        again = c.ask("GET", f"/openai/v1/files/{json.loads(answer.body)['id']}", {"api-key": KEY})
        assert again.status == 200
    assert most - before < 4 << 20, "bytes above the gateway at rest"


def test_an_upload_that_is_refused_is_not_sent_again(house, azure):
    g = house()
    home, _ = upload(g)
    azure.fault(instance=home, fault="status", status=429, retry_after="3")
    form = (b"--b0\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + b"y" * (2 << 20) +
            b"\r\n--b0--\r\n")
    answer = g.ask("POST", "/openai/v1/files", {"content-type": "multipart/form-data; boundary=b0"}, form)
    assert answer.status == 429 and answer.header("retry-after")


@pytest.mark.parametrize("seed", range(2))
def test_many_conversations_of_any_shape_stay_together(house, azure, seed):
    """Two gateways share nothing but the key; one gets another key amid it."""
    rng = random.Random(seed)
    gates = [house((FIRST,)), house((FIRST,))]
    talks = []
    for step in range(300):
        if step == 150:
            assert gates[0].reload({"affinity": {"keys": [FIRST, SECOND]}}).status == 200
            assert gates[1].reload({"affinity": {"keys": [SECOND, FIRST]}}).status == 200
        g = rng.choice(gates)
        if not talks or rng.random() < 0.2:
            home, made = respond(g)
            talks.append([home, made])
            continue
        talk = rng.choice(talks)
        home, last = talk
        what = rng.random()
        if what < 0.5:
            where, talk[1] = respond(g, previous_response_id=last["id"])
        elif what < 0.8:
            item = rng.choice(last["output"])["id"]
            where, talk[1] = respond(g, input=[{"type": "item_reference", "id": item}, {"role": "user", "content": "x"}])
        else:
            answer, _ = ask(g, "GET", f"{RESPONSES}/{last['id']}")
            assert answer.status == 200
            where = answer.header("x-sim-instance")
        assert where == home
    assert {home for home, _ in talks} == {"a", "b"}
