// Every backend is throttled, for as long as test_node_sdk.py has told the simulator.
import './platform.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI, { AzureOpenAI } from 'openai';

const { GATEWAY_URL: url, GATEWAY_KEY: apiKey } = process.env;
const messages = [{ role: 'user', content: 'hello' }];

test('a rate limit error tells how long to wait', async () => {
    const client = new AzureOpenAI({ endpoint: url, apiKey, apiVersion: '2024-10-21', maxRetries: 0 });
    await assert.rejects(client.chat.completions.create({ model: 'gpt-4o', messages }), (e) => {
        assert.ok(e instanceof OpenAI.RateLimitError);
        assert.ok(Number(e.headers.get('retry-after-ms')) > 0);
        return true;
    });
});

test("the SDK's own retry waits as told and succeeds", async () => {
    const client = new OpenAI({ baseURL: `${url}/openai/v1/`, apiKey, maxRetries: 3 });
    const answer = await client.chat.completions.create({ model: 'gpt-4o', messages });
    assert.ok(answer.choices[0].message.content);
});
