"""The SDK straight against the simulator: every answer has to be what the SDK's types say, and no more is forgiven than
by its own tests."""

import hashlib
import io
import json
import time

import openai
import pytest
from support.config import UPSTREAM_KEY
from support.simulator import Simulator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
MODELS = ("gpt-4o", "whisper", "gpt-4o-transcribe", "gpt-image-1", "dall-e-3", "tts-1", "sora-2")
TOOL = {"type": "function", "function": {"name": "look", "parameters": {
    "type": "object", "properties": {"where": {"type": "string"}}, "required": ["where"]}}}


@pytest.fixture(scope="module")
def azure(certs, tmp_path_factory):
    """Two instances that are quick; each request has ids of its own."""
    sim = Simulator(tmp_path_factory.mktemp("simulator"), certs, ("a", "b"), deterministic=False)
    for instance in sim.settings["instances"].values():
        instance.update(tls=False, job_time="30ms", prompts=["pmpt_1"], deployments={
            m: {"first_token": "1ms", "per_token": "0", "reasoning_tokens": 5 if m == "gpt-4o" else 0} for m in MODELS})
    sim.start()
    yield sim
    sim.stop()


def address(azure, number=0):
    return f"http://127.0.0.1:{azure.instances[number].port}"


@pytest.fixture(params=["v1", "dated"])
def client(request, azure):
    common = {"api_key": UPSTREAM_KEY, "max_retries": 0, "_strict_response_validation": True}
    if request.param == "v1":
        made = openai.OpenAI(base_url=address(azure) + "/openai/v1/", **common)
    else:
        made = openai.AzureOpenAI(azure_endpoint=address(azure), api_version="2025-04-01-preview", **common)
    with made as c:
        yield c


@pytest.fixture
def lenient(client):
    """For answers that are right and that the SDK's types are stricter about than Azure is."""
    return client.with_options(_extra_kwargs={"_strict_response_validation": False})


@pytest.fixture
def other(azure):
    """A client of the other instance."""
    with openai.OpenAI(base_url=address(azure, 1) + "/openai/v1/", api_key=UPSTREAM_KEY, max_retries=0) as c:
        yield c


def until(ask, done):
    end = time.monotonic() + 20
    while not done(found := ask()):
        assert time.monotonic() < end, found
        time.sleep(0.01)
    return found


def is_over(thing):
    return thing.status not in ("queued", "validating", "in_progress", "finalizing", "cancelling", "running",
                                "validating_files")


def test_responses(client, other):
    made = client.responses.create(model="gpt-4o", input="hello", include=["reasoning.encrypted_content"])
    assert client.responses.retrieve(made.id).output_text == made.output_text != ""
    assert [i.type for i in client.responses.input_items.list(made.id)] == ["message"]
    more = client.responses.create(model="gpt-4o", input="more", previous_response_id=made.id)
    assert more.usage.input_tokens > made.usage.total_tokens
    with pytest.raises(openai.NotFoundError):
        other.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="Previous response"):
        other.responses.create(model="gpt-4o", input="more", previous_response_id=made.id)
    with pytest.raises(openai.NotFoundError):
        other.responses.create(model="gpt-4o", input=[{"type": "item_reference", "id": made.output[0].id}])
    sealed = [i.model_dump(exclude_none=True) for i in made.output if i.type == "reasoning"]
    if sealed:
        client.responses.create(model="gpt-4o", input=[*sealed, {"role": "user", "content": "x"}], store=False)
        with pytest.raises(openai.BadRequestError, match="could not be verified"):
            other.responses.create(model="gpt-4o", input=sealed, store=False)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_responses_in_the_background(client):
    made = client.responses.create(model="gpt-4o", input="hello", background=True)
    assert made.status == "queued"
    done = until(lambda: client.responses.retrieve(made.id), is_over)
    assert done.status == "completed" and done.output_text
    stream = list(client.responses.create(model="gpt-4o", input="hello", background=True, stream=True))
    assert [e.sequence_number for e in stream] == list(range(len(stream)))
    rest = list(client.responses.retrieve(stream[0].response.id, stream=True, starting_after=4))
    assert [e.sequence_number for e in rest] == list(range(5, len(stream)))
    assert client.responses.cancel(stream[0].response.id).status in ("completed", "cancelled")


def test_responses_with_tools(client):
    tool = {"type": "function", "name": "look", "parameters": TOOL["function"]["parameters"], "strict": False}
    made = client.responses.create(model="gpt-4o", input="hello", tools=[tool])
    call = next(i for i in made.output if i.type == "function_call")
    assert "where" in json.loads(call.arguments)
    answer = {"type": "function_call_output", "call_id": call.call_id, "output": "there"}
    assert client.responses.create(model="gpt-4o", previous_response_id=made.id, input=[answer]).output_text


def test_compacting_and_counting(client, lenient):
    assert client.responses.input_tokens.count(model="gpt-4o", input="12345678").input_tokens == 2
    # The SDK's type knows no message of a user there.
    small = lenient.responses.compact(model="gpt-4o", input="hello")
    assert small.output[-1].type == "compaction"
    items = [i.model_dump(exclude_none=True) for i in small.output]
    assert client.responses.create(model="gpt-4o", input=items).output_text


def test_conversations(client):
    made = client.conversations.create(items=[{"type": "message", "role": "user", "content": "hello"}])
    client.responses.create(model="gpt-4o", input="more", conversation=made.id)
    items = list(client.conversations.items.list(made.id, order="asc", limit=2))
    assert [i.role for i in items if i.type == "message"] == ["user", "user", "assistant"]
    added = client.conversations.items.create(made.id, items=[{"type": "message", "role": "user", "content": "x"}])
    assert client.conversations.items.retrieve(added.data[0].id, conversation_id=made.id).content[0].text == "x"
    assert client.conversations.items.delete(added.data[0].id, conversation_id=made.id).id == made.id
    assert client.conversations.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
    assert client.conversations.delete(made.id).deleted


def test_stored_chats(client, lenient):
    messages = [{"role": "user", "content": "hello"}]
    made = client.chat.completions.create(model="gpt-4o", messages=messages, store=True, metadata={"a": "b"})
    if isinstance(client, openai.AzureOpenAI):
        return  # the Azure client asks for these below a deployment
    assert made.id in [c.id for c in client.chat.completions.list(metadata={"a": "b"})]
    # The SDK's type knows messages of the assistant only.
    assert [m.content for m in lenient.chat.completions.messages.list(made.id)] == ["hello"]
    assert client.chat.completions.update(made.id, metadata={"a": "c"}).metadata == {"a": "c"}
    assert client.chat.completions.retrieve(made.id).choices == made.choices
    assert client.chat.completions.delete(made.id).deleted


def test_files(client, other):
    made = client.files.create(file=("a.jsonl", b"one\r\ntwo"), purpose="batch")
    assert client.files.content(made.id).read() == b"one\r\ntwo"
    assert made.id in [f.id for f in client.files.list(purpose="batch", limit=2)]
    with pytest.raises(openai.NotFoundError):
        other.files.retrieve(made.id)
    assert client.files.delete(made.id).deleted


def test_a_long_file_takes_no_memory(client, azure):
    block, count = hashlib.sha256(b"x").digest() * 32768, 300  # of 1 MiB each

    class Long(io.RawIOBase):
        at = 0

        def readable(self):
            return True

        def readinto(self, into):
            n = min(len(into), len(block) * count - self.at, len(block) - self.at % len(block))
            into[:n] = block[self.at % len(block):][:n]
            self.at += n
            return n

    def resident():
        with open(f"/proc/{azure.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    before = resident()
    made = client.files.create(file=("long.bin", io.BufferedReader(Long(), len(block))), purpose="user_data")
    assert made.bytes == len(block) * count
    read = hashlib.sha256()
    with client.files.with_streaming_response.content(made.id) as answer:
        for part in answer.iter_bytes():
            read.update(part)
    assert read.hexdigest() == made.model_extra["sha256"]
    assert resident() - before < 64 << 20


def test_uploads(client):
    made = client.uploads.create(bytes=6, filename="a.txt", mime_type="text/plain", purpose="assistants")
    parts = [client.uploads.parts.create(made.id, data=d).id for d in (b"abc", b"def")]
    done = client.uploads.complete(made.id, part_ids=parts)
    assert client.files.content(done.file.id).read() == b"abcdef"


def test_batches(client):
    lines = [json.dumps({"custom_id": str(n), "method": "POST", "url": "/chat/completions", "body": {
        "model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}}) for n in range(3)]
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    done = until(lambda: client.batches.retrieve(made.id), is_over)
    assert done.status == "completed" and done.request_counts.completed == 3
    told = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert [t["custom_id"] for t in told] == ["0", "1", "2"]
    assert made.id in [b.id for b in client.batches.list(limit=1)]


def test_audio(client):
    sound = ("a.wav", b"RIFF" * 10000)
    assert client.audio.transcriptions.create(model="whisper", file=sound).text
    assert client.audio.transcriptions.create(model="whisper", file=sound, response_format="text")
    verbose = client.audio.transcriptions.create(model="whisper", file=sound, response_format="verbose_json",
                                                 timestamp_granularities=["word", "segment"])
    assert verbose.words and verbose.segments
    assert client.audio.translations.create(model="whisper", file=sound).text
    events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound, stream=True))
    assert "".join(e.delta for e in events[:-1]) == events[-1].text
    assert client.audio.speech.create(model="tts-1", voice="alloy", input="hi").read()


def test_images(client):
    assert client.images.generate(model="dall-e-3", prompt="a lock").data[0].url
    assert client.images.generate(model="gpt-image-1", prompt="a lock").usage.output_tokens
    edited = client.images.edit(model="gpt-image-1", prompt="x", image=[("a.png", b"1"), ("b.png", b"2")])
    assert edited.data[0].b64_json
    events = list(client.images.generate(model="gpt-image-1", prompt="a", stream=True, partial_images=2))
    assert [e.type.rsplit(".")[-1] for e in events] == ["partial_image", "partial_image", "completed"]


def test_assistants(client):
    made = client.beta.assistants.create(model="gpt-4o", name="helper")
    assert made.id in [a.id for a in client.beta.assistants.list(limit=1)]
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=made.id, poll_interval_ms=10)
    assert run.status == "completed" and run.usage.total_tokens
    assert next(iter(client.beta.threads.messages.list(thread.id))).content[0].text.value
    steps = list(client.beta.threads.runs.steps.list(run.id, thread_id=thread.id))
    assert client.beta.threads.runs.steps.retrieve(steps[0].id, thread_id=thread.id, run_id=run.id).status == "completed"
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=made.id) as stream:
        stream.until_done()
        assert stream.get_final_run().status == "completed"
        assert stream.get_final_messages()[0].content[0].text.value
    assert client.beta.threads.delete(thread.id).deleted
    assert client.beta.assistants.delete(made.id).deleted


def test_assistants_with_tools(client):
    made = client.beta.assistants.create(model="gpt-4o", tools=[TOOL])
    run = client.beta.threads.create_and_run_poll(assistant_id=made.id, poll_interval_ms=10,
                                                  thread={"messages": [{"role": "user", "content": "hello"}]})
    assert run.status == "requires_action"
    calls = run.required_action.submit_tool_outputs.tool_calls
    outputs = [{"tool_call_id": c.id, "output": "x"} for c in calls]
    done = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs, poll_interval_ms=10)
    assert done.status == "completed"
    with pytest.raises(openai.BadRequestError):
        client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def test_what_azure_does_not_have(client):
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(input="x")


def test_vector_stores(client):
    files = [client.files.create(file=("a.txt", t), purpose="assistants").id for t in (b"the sea", b"rain")]
    made = client.vector_stores.create(name="s", file_ids=files[:1])
    until(lambda: client.vector_stores.retrieve(made.id), lambda s: s.file_counts.completed == 1)
    batch = client.vector_stores.file_batches.create_and_poll(made.id, file_ids=files[1:], poll_interval_ms=10)
    assert batch.status == "completed"
    assert [f.id for f in client.vector_stores.file_batches.list_files(batch.id, vector_store_id=made.id)] == files[1:]
    found = client.vector_stores.search(made.id, query="rain", max_num_results=1)
    assert [f.file_id for f in found] == files[1:]
    assert next(iter(client.vector_stores.files.content(files[0], vector_store_id=made.id))).text == "the sea"
    updated = client.vector_stores.files.update(files[0], vector_store_id=made.id, attributes={"a": 1})
    assert updated.attributes == {"a": 1}
    assert client.vector_stores.files.delete(files[0], vector_store_id=made.id).deleted
    assert client.vector_stores.update(made.id, name="t").name == "t"
    assert made.id in [s.id for s in client.vector_stores.list(limit=2)]
    assert client.vector_stores.delete(made.id).deleted


def test_containers(client):
    made = client.containers.create(name="c")
    file = client.containers.files.create(made.id, file=("a.txt", b"abc"))
    assert client.containers.files.content.retrieve(file.id, container_id=made.id).read() == b"abc"
    assert [f.id for f in client.containers.files.list(made.id)] == [file.id]
    client.containers.files.delete(file.id, container_id=made.id)
    assert client.containers.retrieve(made.id).status == "running"
    client.containers.delete(made.id)


def test_evals(client, lenient):
    check = {"type": "string_check", "name": "same", "operation": "like", "input": "{{sample.output_text}}",
             "reference": "{{item.word}}"}
    made = client.evals.create(name="e", testing_criteria=[check], data_source_config={
        "type": "custom", "item_schema": {"type": "object", "properties": {"word": {"type": "string"}}}})
    source = {"type": "completions", "model": "gpt-4o", "source": {"type": "file_content", "content": [
        {"item": {"word": ""}}, {"item": {"word": "no such word"}}]}}
    # There is no error, and the SDK's type wants one.
    run = lenient.evals.runs.create(made.id, name="r", data_source=source)
    done = until(lambda: lenient.evals.runs.retrieve(run.id, eval_id=made.id), is_over)
    assert done.status == "completed" and done.result_counts.passed == 1
    assert len(list(lenient.evals.runs.output_items.list(run.id, eval_id=made.id, limit=1))) == 2
    assert made.id in [e.id for e in client.evals.list(limit=1, order="desc")]
    assert client.evals.delete(made.id).deleted


def test_fine_tuning(client):
    file = client.files.create(file=("t.jsonl", b"{}\n"), purpose="fine-tune")
    made = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id, suffix="mine")
    done = until(lambda: client.fine_tuning.jobs.retrieve(made.id), is_over)
    assert done.status == "succeeded" and done.fine_tuned_model.endswith("-mine")
    assert len(list(client.fine_tuning.jobs.list_events(made.id, limit=2))) == 3
    checkpoint = next(iter(client.fine_tuning.jobs.checkpoints.list(made.id)))
    name = checkpoint.fine_tuned_model_checkpoint
    given = list(client.fine_tuning.checkpoints.permissions.create(name, project_ids=["p"]))
    assert client.fine_tuning.checkpoints.permissions.delete(
        given[0].id, fine_tuned_model_checkpoint=name).deleted
    assert made.id in [j.id for j in client.fine_tuning.jobs.list(limit=1)]
    second = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id)
    assert client.fine_tuning.jobs.cancel(second.id).status == "cancelled"


def test_videos(client):
    made = client.videos.create_and_poll(model="sora-2", prompt="rain", poll_interval_ms=10)
    assert made.status == "completed"
    assert client.videos.download_content(made.id).read()[4:8] == b"ftyp"
    assert client.videos.remix(made.id, prompt="sun").remixed_from_video_id == made.id
    assert made.id in [v.id for v in client.videos.list(limit=2)]
    assert client.videos.delete(made.id).deleted
