"""The official SDKs of language models against the fake: what they send it takes, what it answers
they can read.

Arguments: the fake's address and its key. Ends with 0 if all is as it should be.
"""

import io
import struct
import sys

import anthropic
import boto3
import openai
from botocore.config import Config
from botocore.exceptions import ClientError

ADDRESS, KEY = sys.argv[1], sys.argv[2]
ANSWER = "नमस्ते, जी।"
PCM = bytes(16_000)
WAV = (
    struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(PCM), b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    + struct.pack("<4sI", b"data", len(PCM))
    + PCM
)


def check_openai():
    client = openai.OpenAI(api_key=KEY, base_url=f"http://{ADDRESS}/openai/v1", max_retries=0)
    assert [model.id for model in client.models.list()] == ["gpt-6-luna"]
    messages = [{"role": "system", "content": "You are kind."}, {"role": "user", "content": "नमस्ते"}]
    stream = client.chat.completions.create(
        model="gpt-6-luna", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == ANSWER, text
    assert [choice.finish_reason for choice in chunks[-2].choices] == ["stop"], chunks[-2]
    usage = chunks[-1].usage
    told = (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens)
    assert told == (21, 16, 7), usage
    file = ("speech.wav", io.BytesIO(WAV), "audio/wav")
    heard = client.audio.transcriptions.create(file=file, model="gpt-transcribe", language="hi")
    assert (heard.text, heard.usage.total_tokens) == ("हाँ बोलिए", 19), heard
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="coral", input="नमस्ते", response_format="pcm"
    ) as response:
        sound = b"".join(response.iter_bytes(4_096))
    assert len(sound) == 24_000, len(sound)
    try:
        openai.OpenAI(api_key="wrong", base_url=client.base_url, max_retries=0).models.list()
        raise AssertionError("the wrong key was taken")
    except openai.AuthenticationError as refusal:
        assert refusal.code == "invalid_api_key", refusal.code


def check_anthropic():
    def client(key):
        return anthropic.Anthropic(api_key=key, base_url=f"http://{ADDRESS}/anthropic", max_retries=0)

    asked = {"model": "claude-haiku-5-5", "max_tokens": 60, "system": "You are kind."}
    asked["messages"] = [{"role": "user", "content": "नमस्ते"}]
    with client(KEY).messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        last = stream.get_final_message()
    assert (text, last.stop_reason) == (ANSWER, "end_turn"), last
    told = (last.usage.input_tokens, last.usage.cache_read_input_tokens, last.usage.output_tokens)
    assert told == (9, 12, 7), last.usage
    try:
        with client("wrong").messages.stream(**asked) as stream:
            list(stream)
        raise AssertionError("the wrong key was taken")
    except anthropic.AuthenticationError as refusal:
        assert refusal.status_code == 401


def check_bedrock():
    def client(secret):
        return boto3.client(
            "bedrock-runtime",
            region_name="ap-south-1",
            endpoint_url=f"http://{ADDRESS}",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key=secret,
            aws_session_token="session/token+of=the/test",
            config=Config(retries={"max_attempts": 1}),
        )

    asked = {
        "modelId": "apac.anthropic.claude-x:0",
        "messages": [{"role": "user", "content": [{"text": "नमस्ते"}]}],
        "inferenceConfig": {"maxTokens": 60},
    }
    events = list(client(KEY).converse_stream(**asked)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta.get("text", "") for delta in deltas) == ANSWER, deltas
    assert events[-2]["messageStop"]["stopReason"] == "end_turn", events
    assert events[-1]["metadata"]["usage"]["cacheReadInputTokens"] == 12, events
    try:
        client("wrong").converse_stream(**asked)
        raise AssertionError("the wrong secret was taken")
    except ClientError as refusal:
        assert refusal.response["Error"]["Code"] == "InvalidSignatureException", refusal.response


for check in (check_openai, check_anthropic, check_bedrock):
    check()
    print(check.__name__, "ok")
