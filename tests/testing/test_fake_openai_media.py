"""Pictures, sounds and videos of the loopback provider, read by the real SDK."""

from __future__ import annotations

import asyncio
import base64
import io
import wave

import openai
import pytest

from farebox.testing import FakeProvider, media, tokens


def wav(seconds):
    return ("a.wav", media.sound(seconds, "wav"), "audio/wav")


def test_pictures_state_the_usage_that_is_billed(provider, openai_client, valid):
    drawn = openai_client.images.generate(model="gpt-image-1", prompt="a red bus", n=2, quality="low")
    assert base64.b64decode(drawn.data[1].b64_json).startswith(b"\x89PNG")
    assert (drawn.usage.output_tokens, drawn.usage.output_tokens_details.image_tokens) == (544, 544)
    edited = openai_client.images.edit(
        model="gpt-image-1", image=[("1.png", b"x"), ("2.png", b"y")], prompt="greener", size="1024x1536"
    )
    assert edited.usage.input_tokens_details.image_tokens == 2 * 194
    assert edited.usage.output_tokens == 1584
    assert [(entry.model, entry.api, entry.usage) for entry in provider.billed] == [
        ("gpt-image-1", "images", valid(drawn)["usage"]),
        ("gpt-image-1", "images", valid(edited)["usage"]),
    ]


def test_streamed_pictures_state_a_usage_each_and_the_bill_is_their_sum(provider, openai_client, valid):
    events = list(
        openai_client.images.generate(model="gpt-image-1", prompt="a bus", n=2, stream=True, partial_images=2)
    )
    kinds = ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.type for event in events] == kinds * 2
    usages = [valid(event)["usage"] for event in events if event.type == kinds[-1]]
    assert "output_tokens_details" not in usages[0]
    (billed,) = provider.billed
    assert billed.usage["output_tokens"] == 2 * (1056 + 200) == sum(usage["output_tokens"] for usage in usages)
    assert billed.usage["total_tokens"] == sum(usage["total_tokens"] for usage in usages)
    assert billed.stated


def test_an_edit_streams_events_of_its_own_and_may_be_cut_between_pictures(provider, openai_client):
    provider.cut_next_stream(after=1)
    seen = []
    with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnected|connection error"):
        seen.extend(
            openai_client.images.edit(model="gpt-image-1", image=("1.png", b"x"), prompt="bus", n=2, stream=True)
        )
    assert [event.type for event in seen] == ["image_edit.completed"]
    assert provider.wait_idle()
    assert provider.billed[0].usage["output_tokens"] == 1056
    assert not provider.billed[0].stated


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dall_e_states_no_usage_and_is_billed_by_the_picture(provider, openai_client, valid):
    drawn = openai_client.images.generate(model="dall-e-3", prompt="a bus", quality="hd", size="1792x1024")
    varied = openai_client.images.create_variation(image=("a.png", b"x"), n=2, size="256x256")
    assert drawn.usage is None
    assert len(valid(varied)["data"]) == 2
    assert [(entry.api, entry.model, entry.usage, entry.stated) for entry in provider.billed] == [
        ("images", "dall-e-3", {"images": 1, "size": "1792x1024", "quality": "hd"}, False),
        ("images", "dall-e-2", {"images": 2, "size": "256x256", "quality": "standard"}, False),
    ]


def test_a_transcription_states_tokens_or_seconds_by_its_model(provider, openai_client, valid):
    by_tokens = openai_client.audio.transcriptions.create(model="gpt-4o-transcribe", file=wav(3.71), prompt="Fares")
    by_seconds = openai_client.audio.transcriptions.create(model="whisper-1", file=wav(3.71))
    assert by_tokens.usage.type == "tokens"
    assert by_tokens.usage.input_token_details.audio_tokens == 38
    assert by_tokens.usage.output_tokens == tokens.count(by_tokens.text) == 40
    assert valid(by_seconds)["usage"] == {"type": "duration", "seconds": 4}
    assert [entry.usage for entry in provider.billed] == [valid(by_tokens)["usage"], valid(by_seconds)["usage"]]
    assert all(entry.api == "audio.transcriptions" and entry.stated for entry in provider.billed)


def test_a_verbose_transcription_states_its_length(provider, openai_client, valid):
    verbose = openai_client.audio.transcriptions.create(
        model="whisper-1", file=wav(2.5), response_format="verbose_json", timestamp_granularities=["segment"]
    )
    assert (verbose.duration, verbose.usage.seconds) == (2.5, 3)
    assert verbose.segments[0].end == 2.5
    diarized = openai_client.audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize", file=wav(2), response_format="diarized_json", chunking_strategy="auto"
    )
    assert diarized.segments[0].speaker == "A"
    assert [entry.usage for entry in provider.billed] == [valid(verbose)["usage"], valid(diarized)["usage"]]


@pytest.mark.parametrize(("form", "head"), [("text", "The driver"), ("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT")])
def test_a_transcription_as_text_states_no_usage(provider, openai_client, form, head):
    text = openai_client.audio.transcriptions.create(model="whisper-1", file=wav(61), response_format=form)
    assert isinstance(text, str)
    assert text.startswith(head)
    (billed,) = provider.billed
    assert (billed.usage, billed.stated) == ({"type": "duration", "seconds": 61}, False)


def test_a_streamed_transcription_ends_with_its_usage(provider, openai_client, valid):
    events = list(openai_client.audio.transcriptions.create(model="gpt-4o-transcribe", file=wav(1), stream=True))
    assert events[0].type == "transcript.text.delta"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    (billed,) = provider.billed
    assert billed.usage == valid(events[-1])["usage"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_translation_is_billed_by_the_second_and_does_not_say_so(provider, openai_client, valid):
    plain = openai_client.audio.translations.create(model="whisper-1", file=("a.mp3", bytes(40_000), "audio/mpeg"))
    verbose = openai_client.audio.translations.create(model="whisper-1", file=wav(2), response_format="verbose_json")
    assert valid(plain).keys() == {"text"}
    assert valid(verbose)["duration"] == 2
    assert [entry.usage["seconds"] for entry in provider.billed] == [3, 2]
    assert not any(entry.stated for entry in provider.billed)


def test_speech_is_sound_and_billed_by_characters_or_tokens(provider, openai_client):
    old = openai_client.audio.speech.create(
        model="tts-1", voice="alloy", input="Tickets, please.", response_format="wav"
    )
    new = openai_client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="Tickets, please.")
    with wave.open(io.BytesIO(old.content)) as reader:
        assert reader.getnframes() / reader.getframerate() == pytest.approx(16 / 15, abs=0.001)
    assert new.content.startswith(b"\xff\xfb")
    assert new.response.headers["content-type"] == "audio/mpeg"
    assert [(entry.usage, entry.stated) for entry in provider.billed] == [
        ({"characters": 16}, False),
        ({"input_tokens": 4, "output_tokens": 22, "total_tokens": 26}, False),
    ]


def test_speech_as_events_ends_with_its_usage(provider, openai_client):
    with openai_client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Tickets, please.", stream_format="sse"
    ) as response:
        lines = [line for line in response.iter_lines() if line]
    assert '"type":"speech.audio.done"' in lines[-1]
    (billed,) = provider.billed
    assert billed.stated
    assert f'"output_tokens":{billed.usage["output_tokens"]}' in lines[-1]


def test_what_is_no_sound_is_refused_and_free(provider, openai_client):
    with pytest.raises(openai.BadRequestError, match="no file"):
        openai_client.post("/audio/transcriptions", body={"model": "whisper-1", "file": "a.wav"}, cast_to=object)
    with pytest.raises(openai.BadRequestError, match="response_format"):
        openai_client.audio.speech.create(model="tts-1", voice="alloy", input="x", response_format="ogg")
    assert provider.billed == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_video_is_billed_by_its_seconds_when_it_is_done(provider, openai_client, valid):
    begun = openai_client.videos.create(model="sora-2-pro", prompt="a bus", seconds="8", size="1280x720")
    assert (begun.status, begun.seconds, begun.progress) == ("queued", "8", 0)
    assert provider.billed == []
    assert openai_client.videos.list().data[0].status == "queued"
    done = openai_client.videos.retrieve(begun.id)
    assert (valid(done)["status"], done.progress) == ("completed", 100)
    assert b"ftyp" in openai_client.videos.download_content(begun.id).content
    remixed = openai_client.videos.retrieve(openai_client.videos.remix(begun.id, prompt="redder").id)
    assert (remixed.remixed_from_video_id, remixed.model, remixed.seconds) == (begun.id, "sora-2-pro", "8")
    edited = openai_client.videos.edit(video=("a.mp4", media.FILM, "video/mp4"), prompt="bluer")
    openai_client.videos.retrieve(edited.id)
    named = openai_client.post("/videos/edits", body={"video": {"id": begun.id}, "prompt": "bluer"}, cast_to=object)
    openai_client.videos.retrieve(named["id"])
    line = ("sora-2-pro", "videos", {"video_seconds": 8, "size": "1280x720"}, False)
    short = ("sora-2", "videos", {"video_seconds": 4, "size": "720x1280"}, False)
    assert [(entry.model, entry.api, entry.usage, entry.stated) for entry in provider.billed] == [
        line,
        line,
        short,
        line,
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_failed_video_costs_nothing(provider, openai_client):
    provider.answer_next(job_fails=True)
    video = openai_client.videos.retrieve(openai_client.videos.create(prompt="a bus").id)
    assert (video.status, video.error.code) == ("failed", "server_error")
    openai_client.videos.delete(video.id)
    with pytest.raises(openai.NotFoundError):
        openai_client.videos.retrieve(video.id)
    assert provider.billed == []


def test_the_async_client_is_served_pictures_and_sounds_the_same():
    async def draw(provider):
        async with provider.async_openai_client() as client:
            stream = await client.images.generate(model="gpt-image-1", prompt="a bus", stream=True)
            picture = [event async for event in stream][-1]
            heard = await client.audio.transcriptions.create(model="whisper-1", file=wav(1))
            return picture.usage.total_tokens, heard.usage.seconds

    with FakeProvider() as provider:
        total, seconds = asyncio.run(draw(provider))
        assert [entry.usage.get("total_tokens") for entry in provider.billed] == [total, None]
        assert provider.billed[1].usage["seconds"] == seconds == 1
