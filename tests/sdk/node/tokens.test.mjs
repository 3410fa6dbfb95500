// The OpenAI SDK for Node with Entra tokens, got by @azure/identity from the simulator. Run by test_tokens.py.
import './platform.mjs';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientSecretCredential, getBearerTokenProvider } from '@azure/identity';
import { AzureOpenAI } from 'openai';

const { GATEWAY_URL: endpoint, TENANT, CLIENT_ID, CLIENT_SECRET, AUTHORITY, SCOPE } = process.env;
const messages = [{ role: 'user', content: 'Tell me of waterways.' }];
const credential = new ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET, {
    authorityHost: AUTHORITY,
    disableInstanceDiscovery: true,
});
const azure = (azureADTokenProvider) =>
    new AzureOpenAI({ endpoint, azureADTokenProvider, apiVersion: '2024-10-21', maxRetries: 0 });
const client = azure(getBearerTokenProvider(credential, SCOPE));

test('chat', async () => {
    const answer = await client.chat.completions.create({ model: 'gpt-4o', messages });
    assert.ok(answer.choices[0].message.content);
});

test('stream', async () => {
    let text = '';
    for await (const chunk of await client.chat.completions.create({ model: 'gpt-4o', messages, stream: true }))
        text += chunk.choices[0]?.delta?.content ?? '';
    assert.ok(text);
});

test('a token for somebody else is an authentication error', async () => {
    const other = azure(getBearerTokenProvider(credential, 'api://somebody-else/.default'));
    await assert.rejects(other.chat.completions.create({ model: 'gpt-4o', messages }), { status: 401 });
});
