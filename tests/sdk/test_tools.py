"""Tools and structured outputs by the OpenAI SDK for Python, through the gateway to the simulator."""

import json

import openai
from pydantic import BaseModel
from support.simulator import MODELS

CHAT = MODELS["chat"]
QUESTION = {"role": "user", "content": "What is the weather in Oslo?"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "container": {"type": "string"}},
              "required": ["city", "container"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
RESPONSE_TOOL = {"type": "function", "name": "weather", "parameters": PARAMETERS}


class Weather(BaseModel):
    city: str
    degrees: int
    words: list[str]


def test_a_tool_is_called_and_its_result_answered(client):
    first = client.chat.completions.create(model=CHAT, messages=[QUESTION], tools=[TOOL]).choices[0]
    assert first.finish_reason == "tool_calls"
    call = first.message.tool_calls[0]
    assert call.function.name == "weather" and "city" in json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = client.chat.completions.create(model=CHAT, messages=[QUESTION, first.message, result], tools=[TOOL])
    assert second.choices[0].finish_reason == "stop" and second.choices[0].message.content


def test_a_streamed_tool_call_is_put_together_by_the_sdk(client):
    with client.chat.completions.stream(model=CHAT, messages=[QUESTION], tools=[openai.pydantic_function_tool(Weather)],
                                        tool_choice="required") as stream:
        message = stream.get_final_completion().choices[0].message
    assert isinstance(message.tool_calls[0].function.parsed_arguments, Weather)


def test_structured_outputs_are_parsed(client):
    answer = client.chat.completions.parse(model=CHAT, messages=[QUESTION], response_format=Weather)
    assert isinstance(answer.choices[0].message.parsed, Weather)


def test_responses_with_a_tool_and_with_a_schema(v1):
    # A parameter of the name `container` is the tool's own affair.
    first = v1.responses.create(model=CHAT, input=[QUESTION], tools=[RESPONSE_TOOL], store=False)
    call = next(i for i in first.output if i.type == "function_call")
    turns = [QUESTION, *(i.model_dump() for i in first.output),
             {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}]
    assert v1.responses.create(model=CHAT, input=turns, tools=[RESPONSE_TOOL], store=False).output_text
    assert isinstance(v1.responses.parse(model=CHAT, input="x", text_format=Weather).output_parsed, Weather)


def test_a_streamed_response_with_a_tool(v1):
    with v1.responses.stream(model=CHAT, input=[QUESTION], tools=[RESPONSE_TOOL]) as stream:
        kinds = [e.type for e in stream]
        done = stream.get_final_response()
    assert "response.function_call_arguments.delta" in kinds
    assert json.loads(done.output[0].arguments).keys() == {"city", "container"}
