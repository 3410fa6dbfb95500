// The OpenAI SDK for Node, as it comes from the registry. Run by test_node_sdk.py with the gateway's address and key.
import './platform.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI, { AzureOpenAI } from 'openai';

const { GATEWAY_URL: url, GATEWAY_KEY: apiKey } = process.env;
const [chat, embeddings, images, speech] = ['gpt-4o', 'text-embedding-3-small', 'dall-e-3', 'tts-1'];
const messages = [{ role: 'user', content: 'Tell me of waterways.' }];

const azure = (over = {}) =>
    new AzureOpenAI({ endpoint: url, apiKey, apiVersion: '2024-10-21', maxRetries: 0, ...over });
const v1 = (over = {}) => new OpenAI({ baseURL: `${url}/openai/v1/`, apiKey, maxRetries: 0, ...over });

for (const [name, make] of [['AzureOpenAI', azure], ['OpenAI', v1]]) {
    test(`${name}: chat`, async () => {
        const answer = await make().chat.completions.create({ model: chat, messages });
        assert.ok(answer.choices[0].message.content);
        assert.ok(answer.usage.total_tokens > 0);
    });

    test(`${name}: chat stream says the same as the plain answer`, async () => {
        const plain = await make().chat.completions.create({ model: chat, messages });
        let text = '';
        for await (const chunk of await make().chat.completions.create({ model: chat, messages, stream: true }))
            text += chunk.choices[0]?.delta?.content ?? '';
        assert.equal(text, plain.choices[0].message.content);
    });

    test(`${name}: completions`, async () => {
        const answer = await make().completions.create({ model: chat, prompt: 'Once' });
        assert.ok(answer.choices[0].text);
    });

    test(`${name}: embeddings`, async () => {
        const answer = await make().embeddings.create({ model: embeddings, input: ['one', 'two'], dimensions: 64 });
        assert.deepEqual(answer.data.map((d) => d.embedding.length), [64, 64]);
    });

    test(`${name}: images`, async () => {
        const answer = await make().images.generate({ model: images, prompt: 'a lock', response_format: 'b64_json' });
        assert.ok(answer.data[0].b64_json);
    });

    test(`${name}: speech`, async () => {
        const answer = await make().audio.speech.create({ model: speech, voice: 'alloy', input: 'Hello' });
        assert.ok((await answer.arrayBuffer()).byteLength > 1000);
    });

    test(`${name}: models`, async () => {
        const ids = [];
        for await (const m of await make().models.list()) ids.push(m.id);
        assert.deepEqual(ids.sort(), [chat, embeddings, images, speech].sort());
    });

    test(`${name}: wrong key`, async () => {
        const asked = make({ apiKey: 'wrong' }).chat.completions.create({ model: chat, messages });
        await assert.rejects(asked, (e) => e instanceof OpenAI.AuthenticationError && e.status === 401);
    });

    test(`${name}: unknown deployment`, async () => {
        const asked = make().chat.completions.create({ model: 'nowhere', messages });
        await assert.rejects(asked, (e) => e instanceof OpenAI.NotFoundError && e.code === 'DeploymentNotFound');
    });

    test(`${name}: leaving a stream`, async () => {
        const stream = await make().chat.completions.create({ model: chat, messages, stream: true });
        for await (const chunk of stream) {
            assert.ok(chunk);
            break;
        }
        assert.ok(stream.controller.signal.aborted);
    });
}

test('OpenAI: responses', async () => {
    const answer = await v1().responses.create({ model: chat, input: 'Tell me of waterways.' });
    assert.equal(answer.status, 'completed');
    let text = '';
    const types = [];
    for await (const e of await v1().responses.create({ model: chat, input: 'Tell me of waterways.', stream: true })) {
        types.push(e.type);
        if (e.type === 'response.output_text.delta') text += e.delta;
    }
    assert.equal(text, answer.output_text);
    assert.equal(types.at(0), 'response.created');
    assert.equal(types.at(-1), 'response.completed');
});
