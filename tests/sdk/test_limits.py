"""What an SDK user notices of ledger and quotas: nothing but good errors, and usage where it was asked for."""

import openai
import pytest
from support.config import KEY
from support.simulator import MODELS
from support.usage import ledger_config, wait_for_records

MESSAGES = [{"role": "user", "content": "Tell me of waterways."}]


@pytest.fixture
def limited(gateway, simulator, tmp_path):
    """limited({...}): an SDK client whose gateway keeps a ledger, and gives it that quota."""

    def make(quota=None, kind="v1", **client):
        sim = simulator(deterministic=True)
        base = sim.gateway_config()
        g = gateway(sim.instances, {**base, **ledger_config(tmp_path), "quotas": {"burst": "2s"},
                                    "clients": {"app": {"quota": quota or {}}}})
        how = {"api_key": KEY, "max_retries": 0, **client,
               "http_client": openai.DefaultHttpxClient(verify=g.certs.client_context())}
        if kind == "azure":
            return openai.AzureOpenAI(azure_endpoint=g.url, api_version="2024-10-21", **how)
        return openai.OpenAI(base_url=f"{g.url}/openai/v1/", **how)

    return make


@pytest.mark.parametrize("kind", ["azure", "v1"])
def test_a_stream_shows_usage_only_to_who_asked_and_the_ledger_has_it_both_times(limited, tmp_path, kind):
    client = limited(kind=kind)
    plain = list(client.chat.completions.create(model=MODELS["chat"], messages=MESSAGES, stream=True))
    asked = list(client.chat.completions.create(model=MODELS["chat"], messages=MESSAGES, stream=True,
                                                stream_options={"include_usage": True}))
    assert all(c.usage is None for c in plain)
    assert len(asked) == len(plain) + 1 and asked[-1].usage.total_tokens > 0
    for r in wait_for_records(tmp_path, 2):
        assert r["token_source"] == "exact" and r["outcome"] == "ok"
        assert r["completion_tokens"] == asked[-1].usage.completion_tokens


def test_the_sdk_waits_as_told_and_then_succeeds(limited, tmp_path):
    client = limited({"requests_per_minute": 60}, max_retries=2)  # two at once, one a second
    for _ in range(3):
        assert client.chat.completions.create(model=MODELS["chat"], messages=MESSAGES).choices
    statuses = [r["status"] for r in wait_for_records(tmp_path, 4)]
    assert sorted(statuses) == [200, 200, 200, 429]


def test_a_rate_is_a_rate_limit_error_with_what_is_left(limited):
    client = limited({"requests_per_minute": 30})
    answer = client.chat.completions.with_raw_response.create(model=MODELS["chat"], messages=MESSAGES)
    assert answer.headers["x-ratelimit-limit-requests"] == "30"
    with pytest.raises(openai.RateLimitError) as e:
        client.chat.completions.create(model=MODELS["chat"], messages=MESSAGES)
    assert e.value.code == "RateLimitExceeded" and "requests per minute" in e.value.message


def test_a_budget_is_a_permission_error_and_is_not_repeated(limited, tmp_path):
    client = limited({"budget": {"tokens": 30, "per": "day"}}, max_retries=2)
    with pytest.raises(openai.PermissionDeniedError) as e:
        for _ in range(5):
            client.chat.completions.create(model=MODELS["chat"], messages=MESSAGES, max_tokens=5)
    assert e.value.code == "BudgetExhausted"
    records = [r["status"] for r in wait_for_records(tmp_path, 2)] if e.value else []
    assert records.count(403) == 1
