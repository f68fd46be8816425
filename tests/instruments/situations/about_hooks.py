"""The order of things: clients, patchers and farebox itself, put in force and taken back."""

from __future__ import annotations

import functools
import importlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from acts import all_of, there
from bills import exact, unseen
from situation import CLAUDE, GEMINI, GPT, HELLO, using

import farebox

openai = using("openai")
anthropic = using("anthropic")
gemini = using("gemini")


def chat(client, **more):
    return client.chat.completions.create(model=GPT, messages=HELLO, **more)


def message(client):
    return client.messages.create(model=CLAUDE, messages=HELLO, max_tokens=50)


def generated(client):
    return client.models.generate_content(model=GEMINI, contents="How far is it?")


# --- made before


@openai("hooks: client made before")
def a_client_made_before(run):
    client = run.client()
    run.instrument()
    return chat(client)


@anthropic("hooks: client made before")
def an_anthropic_client_made_before(run):
    client = run.client()
    run.instrument()
    return message(client)


@gemini("hooks: client made before")
def a_gemini_client_made_before(run):
    client = run.client()
    run.instrument()
    return generated(client)


@openai("hooks: bound method made before")
def a_bound_method_made_before(run):
    create = run.client().chat.completions.create
    run.instrument()
    return create(model=GPT, messages=HELLO)


@gemini("hooks: bound method made before")
def a_bound_method_of_gemini_made_before(run):
    generate = run.client().models.generate_content_stream
    run.instrument()
    return generate(model=GEMINI, contents="How far is it?")


@openai("hooks: raw object made before", asks=True)
def a_raw_object_made_before(run):
    raw = run.client().chat.completions.with_raw_response
    run.instrument()
    answer = yield raw.create(model=GPT, messages=HELLO, stream=True)
    stream = yield answer.parse()
    return (yield all_of(stream))


@openai("hooks: raw object made before")
def a_clone_made_before(run):
    clone = run.client().with_options(timeout=30)
    run.instrument()
    return chat(clone)


@openai(expect=(unseen(), exact()))
def a_stream_that_began_before(run):
    client = run.client()
    stream = yield chat(client, stream=True, stream_options={"include_usage": True})
    before = yield stream.__anext__() if hasattr(stream, "__anext__") else next(stream)
    run.instrument()
    after = yield chat(client)
    return before, (yield all_of(stream)), after


# --- twice, undone, again


@openai("hooks: instrumented twice")
def farebox_put_in_force_twice(run):
    run.instrument()
    run.instrument()
    return chat(run.client())


@anthropic("hooks: instrumented twice", expect=(exact(), exact()))
def farebox_put_in_force_twice_and_taken_back_once(run):
    first = run.instrument()
    run.instrument()
    client = run.client()
    before = yield message(client)
    first.undo()
    return before, (yield message(client))


@openai("hooks: uninstrumented and again", expect=(exact(), unseen(), exact()))
def farebox_taken_back_and_put_in_force_again(run):
    handle = run.instrument()
    client = run.client()
    first = yield chat(client)
    handle.undo()
    second = yield chat(client)
    run.instrument()
    return first, second, (yield chat(client))


@gemini("hooks: uninstrumented and again", expect=(unseen(), exact()))
def farebox_taken_back_and_put_in_force_again_for_gemini(run):
    run.instrument().undo()
    client = run.client()
    first = yield generated(client)
    run.instrument()
    return first, (yield generated(client))


@openai(asks=True)
def farebox_taken_back_while_a_stream_is_read(run):
    handle = run.instrument()
    stream = yield chat(run.client(), stream=True)
    before = yield stream.__anext__() if hasattr(stream, "__anext__") else next(stream)
    handle.undo()
    return before, (yield all_of(stream))


@openai(expect=())
def farebox_for_another_sdk_only(run):
    run.instrument("anthropic")
    return run.client().files.list()


# --- other patchers


@contextmanager
def patched(run, *, keeps=True):
    """Another library's patch of the request method, as many tracers make it; gives what it has counted."""
    clients = importlib.import_module(f"{run.situation.kind}._base_client")
    home = clients.AsyncAPIClient if run.mode == "async" else clients.SyncAPIClient
    original, calls = vars(home)["request"], []
    beneath = home.request

    def theirs(*args, **kwargs):
        calls.append(len(args))
        return beneath(*args, **kwargs)

    home.request = functools.wraps(beneath)(theirs) if keeps else theirs
    try:
        yield calls
    finally:
        home.request = original


@openai("hooks: another patcher below", asks=True)
def another_patcher_below(run):
    with patched(run) as calls:
        handle = run.instrument()
        stream = yield chat(run.client(), stream=True)
        pieces = yield all_of(stream)
        handle.undo()
        return pieces, calls


@openai("hooks: another patcher above", asks=True)
def another_patcher_above(run):
    run.instrument()
    with patched(run) as calls:
        stream = yield chat(run.client(), stream=True)
        return (yield all_of(stream)), calls


@anthropic("hooks: another patcher above", expect=(exact(), unseen()))
def another_patcher_above_that_stays_when_farebox_goes(run):
    handle = run.instrument()
    with patched(run, keeps=False) as calls:
        client = run.client()
        first = yield message(client)
        handle.undo()
        return first, (yield message(client)), calls


@openai("hooks: another patcher above", "hooks: another patcher below")
def other_patchers_above_and_below(run):
    with patched(run) as below:
        handle = run.instrument()
        with patched(run, keeps=False) as above:
            answer = yield chat(run.client())
        handle.undo()
        return answer, below, above


@openai("hooks: a framework on top")
def a_framework_that_wraps_the_create_of_one_client(client):
    create = client.chat.completions.create

    async def asked_again(*args, **kwargs):
        return await there(create(*args, **kwargs))

    client.chat.completions.create = asked_again if hasattr(client, "__aenter__") else functools.partial(create)
    return chat(client)


@anthropic("hooks: a framework on top", needs="beta.messages.tool_runner", habits={"function_calls": 1},
           expect=(exact(api="beta.messages", response_id=...), exact(api="beta.messages")))  # fmt: skip
def a_runner_of_tools(client):
    import anthropic as sdk

    def miles(place: str) -> str:
        """How far a place is."""
        return f"{len(place)} miles"

    async def miles_later(place: str) -> str:
        """How far a place is."""
        return miles(place)

    later = hasattr(client, "__aenter__")
    tool = sdk.beta_async_tool(miles_later, name="miles") if later else sdk.beta_tool(miles, name="miles")
    runner = client.beta.messages.tool_runner(model=CLAUDE, messages=HELLO, max_tokens=50, tools=[tool])
    final = yield runner.until_done()
    # The loopback provider counts the tokens of the call's id too, which differs from run to run.
    return final.id, [block.text for block in final.content], final.stop_reason


@openai("hooks: a new SDK major")
def a_request_method_that_takes_more_than_it_did(run):
    run.instrument()
    client = run.client()

    class Newer(type(client)):
        def request(self, cast_to, options, *, stream=False, stream_cls=None, priority=None):
            return super().request(cast_to, options, stream=stream, stream_cls=stream_cls)

        def post(self, path, *, cast_to, body=None, options=None, stream=False, stream_cls=None, **_):
            made = importlib.import_module("openai._models").FinalRequestOptions.construct(
                method="post", url=path, json_data=body
            )
            return self.request(cast_to, made, stream=stream, stream_cls=stream_cls, priority="high")

    client.__class__ = Newer
    return client.post("/chat/completions", cast_to=object, body={"model": GPT, "messages": HELLO})


# --- contexts


@openai("hooks: suppressed context", expect=(unseen(), exact()))
def a_suppressed_call(client):
    with farebox.suppress():
        first = yield chat(client)
    return first, (yield chat(client))


@gemini("hooks: suppressed context", expect=(unseen(),), modes=("sync",))
def a_suppressed_stream_that_is_read_later(client):
    with farebox.suppress():
        stream = client.models.generate_content_stream(model=GEMINI, contents="How far is it?")
        first = next(stream)
    return first, list(stream)


@openai(modes=("sync",), expect=(exact(), exact(), exact()))
def calls_from_a_pool_of_threads(client):
    with ThreadPoolExecutor(1) as pool:
        return list(pool.map(chat, [client] * 3))


@anthropic("hooks: spans of the SDK itself")
def a_client_that_tells_its_own_spans(run):
    from opentelemetry import trace

    told = []

    class Tracer(trace.Tracer):
        def start_span(self, name, *args, **kwargs):
            told.append(name)
            return trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)

        @contextmanager
        def start_as_current_span(self, name, *args, **kwargs):
            yield self.start_span(name)

    class Provider(trace.TracerProvider):
        def get_tracer(self, *args, **kwargs):
            return Tracer()

    before, trace._TRACER_PROVIDER = trace._TRACER_PROVIDER, Provider()
    try:
        run.instrument()
        answer = yield message(run.client())
        return answer, told
    finally:
        trace._TRACER_PROVIDER = before
