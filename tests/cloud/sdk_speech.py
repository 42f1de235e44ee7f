"""The official SDKs against the fake: what they send it takes, what it answers they can read.

Arguments: the fake's address and its key. Ends with 0 if all is as it should be.
"""

import base64
import io
import struct
import sys

from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError as DeepgramError
from deepgram.environment import DeepgramClientEnvironment
from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError as ElevenLabsError
from sarvamai import SarvamAI
from sarvamai.core.api_error import ApiError as SarvamError
from sarvamai.environment import SarvamAIEnvironment
from sarvamai.types import RealtimeAudioInput, RealtimeEnd, RealtimeSpeechEnd, RealtimeSpeechStart

ADDRESS, KEY = sys.argv[1], sys.argv[2]
PCM = bytes(16_000)
WAV = (
    struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(PCM), b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    + struct.pack("<4sI", b"data", len(PCM))
    + PCM
)


def refused(error, status, ask):
    try:
        ask()
    except error as refusal:
        assert refusal.status_code == status, refusal.status_code
        return
    raise AssertionError("the wrong key was taken")


def sarvam(key):
    base = f"http://{ADDRESS}/sarvam"
    socket = f"ws://{ADDRESS}/sarvam"
    where = SarvamAIEnvironment(base=base, creative=base, production=socket)
    return SarvamAI(api_subscription_key=key, environment=where)


def check_sarvam():
    client = sarvam(KEY)
    file = ("speech.wav", io.BytesIO(WAV), "audio/wav")
    heard = client.speech_to_text.transcribe(file=file, model="saaras:v3", language_code="unknown")
    assert (heard.transcript, heard.language_code, heard.language_probability) == ("ହଁ କୁହନ୍ତୁ", "od-IN", 0.98), heard
    sound = b"".join(
        client.text_to_speech.convert_stream(
            text="नमस्ते",
            language_code="hi-IN",
            speaker="ritu",
            model="bulbul:v3",
            speech_sample_rate=8_000,
            output_audio_codec="linear16",
        )
    )
    assert len(sound) == 8_000, len(sound)
    refused(
        SarvamError,
        403,
        lambda: sarvam("wrong").speech_to_text.transcribe(
            file=("speech.wav", io.BytesIO(WAV), "audio/wav"), model="saaras:v3", language_code="unknown"
        ),
    )
    with client.speech_to_text_realtime_streaming.connect(
        language_code="auto", model="saaras:v4", endpointing="manual", encoding="linear16", sample_rate="16000"
    ) as socket:
        socket.send_realtime_speech_start(RealtimeSpeechStart())
        for at in range(0, len(PCM), 3_200):
            piece = base64.b64encode(PCM[at : at + 3_200]).decode()
            socket.send_realtime_audio_input(RealtimeAudioInput(audio=piece))
        socket.send_realtime_speech_end(RealtimeSpeechEnd())
        socket.send_realtime_end(RealtimeEnd())
        events = []
        while not events or events[-1].event != "session.end":
            events.append(socket.recv())
        names = [event.event for event in events]
        assert names == ["session.begin", "error", "transcript.final", "session.end"], names
        last = events[2]
        assert (last.text, last.language, last.language_confidence) == ("ହଁ କୁହନ୍ତୁ", "or-IN", 0.97), last


def deepgram(key):
    base = f"http://{ADDRESS}/deepgram"
    socket = f"ws://{ADDRESS}/deepgram"
    where = DeepgramClientEnvironment(base=base, production=socket, agent=socket, agent_rest=base)
    return DeepgramClient(api_key=key, environment=where)


def check_deepgram():
    client = deepgram(KEY)
    heard = client.listen.v1.media.transcribe_file(request=WAV, model="nova-3", language="hi", punctuate=True)
    best = heard.results.channels[0].alternatives[0]
    assert (best.transcript, best.confidence) == ("हाँ बोलिए।", 0.98), best
    refused(
        DeepgramError,
        401,
        lambda: deepgram("wrong").listen.v1.media.transcribe_file(request=WAV, model="nova-3", language="hi"),
    )
    with client.listen.v1.connect(
        model="nova-3", language="multi", encoding="linear16", sample_rate=16_000, channels=1
    ) as socket:
        for at in range(0, len(PCM), 3_200):
            socket.send_media(PCM[at : at + 3_200])
        socket.send_finalize()
        socket.send_close_stream()
        texts, last = [], None
        while last is None or last.type != "Metadata":
            last = socket.recv()
            if last.type == "Results" and last.is_final:
                texts.append(last.channel.alternatives[0].transcript)
        assert texts == ["हाँ", "बोलिए।"], texts


def elevenlabs(key):
    return ElevenLabs(api_key=key, base_url=f"http://{ADDRESS}/elevenlabs")


def check_elevenlabs():
    client = elevenlabs(KEY)

    def speak(client):
        return b"".join(
            client.text_to_speech.stream(
                "21m00Tcm4TlvDq8ikWAM",
                text="नमस्ते",
                model_id="eleven_flash_v2_5",
                language_code="hi",
                output_format="pcm_16000",
                enable_logging=False,
            )
        )

    assert len(speak(client)) == 16_000
    refused(ElevenLabsError, 401, lambda: speak(elevenlabs("wrong")))
    heard = client.speech_to_text.convert(model_id="scribe_v2", file=("speech.wav", io.BytesIO(WAV), "audio/wav"))
    assert (heard.text, heard.language_code) == ("അതെ പറയൂ", "mal"), heard
    assert heard.words[0].logprob == 0.0


for check in (check_sarvam, check_deepgram, check_elevenlabs):
    check()
    print(check.__name__, "ok")
