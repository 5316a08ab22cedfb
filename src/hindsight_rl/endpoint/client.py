"""The client: from questions to answers that fit a schema. Only this module uses `openai`.

All requests run on one event loop in a separate thread, so that a training loop can submit questions and continue.
We do not use the retries of `openai`, because retries must respect the deadline, the budget and the counts.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hindsight_rl.encoder import default_cache_dir
from hindsight_rl.endpoint.answers import MalformedAnswer, in_words, read, strict_schema
from hindsight_rl.endpoint.bodies import REFUSING, NotAnAnswer, content, refuses_structure
from hindsight_rl.endpoint.cache import AnswerCache, Paid, question_key
from hindsight_rl.endpoint.limits import Usage, backoff, retried
from hindsight_rl.endpoint.settings import EndpointError, EndpointSettings

if TYPE_CHECKING:
    from pydantic import BaseModel

Message = Mapping[str, str]
_SHOWN = 300


@dataclass(frozen=True)
class Question:
    """A question.

    schema: of the answer, None for plain text. parameters: override those of the endpoint. sample: equal questions with
    different values of `sample` are asked separately and can have different answers.
    """

    messages: Sequence[Message]
    schema: "type[BaseModel] | None" = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0


@dataclass(frozen=True)
class Answer:
    """An answer. value: an object of the question's schema. seconds: 0 for an answer from the cache."""

    text: str
    value: Any
    cached: bool
    seconds: float


class Endpoint:
    """A chat endpoint; safe to use from several threads. Close it, or use it as a context manager.

    Args:
        settings: see :meth:`EndpointSettings.resolved`.

    Attributes:
        usage: counts, latency and cost so far.

    Raises:
        EndpointError: the packages are missing.
    """

    def __init__(self, settings: EndpointSettings):
        try:
            import openai
        except ModuleNotFoundError as error:
            raise EndpointError(
                f"endpoint: the package '{error.name}' is missing: pip install 'hindsight-rl[llm]'"
            ) from None
        self.settings = settings
        self.usage = Usage(settings)
        self._key = settings.key()
        self._openai = openai
        self._structured = settings.structure != "prompt"
        self._under_way: dict[str, asyncio.Future[tuple[Paid, bool, float]]] = {}
        self._loop = asyncio.new_event_loop()
        self._gate = asyncio.Semaphore(settings.concurrency)
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url, api_key=self._key, max_retries=0, timeout=settings.timeout
        )
        self._closed = False
        file = Path(settings.cache).expanduser() if settings.cache else default_cache_dir() / "answers.sqlite3"
        self.cache = AnswerCache(None if settings.cache == "none" else file)
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, question: Question) -> "Future[Answer]":
        """Ask without waiting; the future raises the same errors as :meth:`ask`."""
        if self._closed:
            raise EndpointError("endpoint: it is closed")
        return self._run(self._answer(question))

    def ask(self, question: Question) -> Answer:
        """Ask and wait.

        Raises:
            EndpointError: no answer within attempts and deadline, or the server rejected the question.
            MalformedAnswer: two answers that do not fit the schema.
            BudgetSpent: the budget of calls or tokens is used up.
        """
        return self.submit(question).result()

    def ask_many(self, questions: Sequence[Question]) -> list[Answer | EndpointError]:
        """Ask all, at most ``concurrency`` at a time, and wait; a failed question gives its error as result."""
        waiting = [self.submit(question) for question in questions]
        found: list[Answer | EndpointError] = []
        for each in waiting:
            try:
                found.append(each.result())
            except EndpointError as error:
                found.append(error)
        return found

    def close(self) -> None:
        """Cancel all requests, and close sockets and cache."""
        if self._closed:
            return
        self._closed = True

        async def end() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._client.close()

        with contextlib.suppress(Exception):  # a socket that does not close must not block the end of a run
            self._run(end()).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self.cache.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _answer(self, question: Question) -> Answer:
        self.usage.count("questions")
        try:
            paid, cached, seconds = await self._paid(question, question.messages)
            if question.schema is None:
                self.usage.count("answered")
                return Answer(paid.text, None, cached, seconds)
            try:
                value = read(paid.text, question.schema)
            except ValueError as error:
                self.usage.count("reasked")
                # Some servers accept the field and ignore it. The model has not seen the schema then.
                unseen = in_words(question.schema) if self._structured else ""
                again, paid_before = _again(question.messages, paid.text, str(error), unseen), paid
                paid, cached, more = await self._paid(question, again)
                seconds += more
                try:
                    value = read(paid.text, question.schema)
                except ValueError as second:
                    self.usage.count("malformed")
                    raise MalformedAnswer(
                        f"endpoint: {self.settings.model} answered twice in another shape ({second}), first: "
                        f"{self._clean(paid_before.text)!r}"
                    ) from None
                if unseen and self.settings.structure == "auto":
                    self._structured = False
                    self.usage.fault("response_format ignored")
        except EndpointError as error:
            if not isinstance(error, MalformedAnswer):
                self.usage.count("failed")
            raise
        self.usage.count("answered")
        return Answer(paid.text, value, cached, seconds)

    async def _paid(self, question: Question, messages: Sequence[Message]) -> tuple[Paid, bool, float]:
        """The answer (from the cache, from a running request for the same question, or from the server), whether it was
        cached, and the seconds."""
        schema = strict_schema(question.schema) if question.schema else None
        parameters = self._parameters(question)
        sample = {"sample": question.sample} if question.sample else {}
        key = question_key(self.settings.model, messages, {**parameters, "schema": schema, **sample})
        if (known := self.cache.get(key)) is not None:
            self.usage.count("cached")
            return known, True, 0.0
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        shared: asyncio.Future[tuple[Paid, bool, float]] = self._loop.create_future()
        self._under_way[key] = shared
        try:
            async with self._gate:
                began = time.monotonic()  # time in the queue does not count as the server's delay
                paid = await self._tried(question, messages, parameters, began + self.settings.deadline)
                seconds = time.monotonic() - began
            self.cache.put(key, self.settings.model, paid)
            self.usage.paid(paid.tokens_in, paid.tokens_out, seconds)
            shared.set_result((paid, False, seconds))
        except BaseException as error:
            shared.set_exception(error if isinstance(error, EndpointError) else EndpointError("endpoint: given up"))
            shared.exception()  # no other question may be waiting for it
            raise
        finally:
            del self._under_way[key]
        return paid, False, seconds

    def _parameters(self, question: Question) -> dict[str, Any]:
        """The fields of a request. A field that ``--endpoint.extra`` sets to null is never sent."""
        extra = self.settings.extra_fields()
        made: dict[str, Any] = {
            "temperature": self.settings.temperature,
            "max_tokens": self.settings.answer_tokens,
            **extra,
            **question.parameters,
        }
        removed = {name for name, value in extra.items() if value is None}
        return {name: value for name, value in made.items() if value is not None and name not in removed}

    async def _tried(
        self, question: Question, messages: Sequence[Message], parameters: dict[str, Any], deadline: float
    ) -> Paid:
        """Send until there is an answer."""
        attempt = 0
        in_words_only = probing = False
        while True:
            structured = self._structured and question.schema is not None and not in_words_only
            self.usage.spend()
            wait: str | None = None
            left = deadline - time.monotonic()
            try:
                paid = await asyncio.wait_for(
                    self._sent(question, messages, parameters, structured), max(0.0, min(self.settings.timeout, left))
                )
                if probing:  # without the field the server answers, so it does not support the field
                    self._structured = False
                return paid
            except TimeoutError:
                fault, detail = "timeout", "no complete answer in time"
            except self._openai.APIStatusError as error:
                fault, detail = str(error.status_code), self._clean(str(error.message))
                if structured and self.settings.structure == "auto" and error.status_code in REFUSING:
                    verdict = refuses_structure(error.body, str(error.message))
                    if verdict is not False:
                        # If the error is unclear, ask without the field; the result shows whether it was the cause.
                        self._structured = self._structured and verdict is None
                        probing = verdict is None
                        in_words_only = True
                        self.usage.fault("response_format refused")
                        continue
                if not retried(error.status_code):
                    raise EndpointError(self._failure(fault, detail, error.status_code)) from None
                wait = error.response.headers.get("retry-after")
            except self._openai.APITimeoutError:
                fault, detail = "timeout", "no answer in time"
            except self._openai.APIConnectionError as error:
                cause = error.__cause__ or error
                fault, detail = "connection", f"{type(cause).__name__}: {self._clean(str(cause))}"
            except NotAnAnswer as error:
                fault, detail = str(error.status or "body"), self._clean(str(error))
                if error.status and not retried(error.status):
                    raise EndpointError(self._failure(fault, detail, error.status)) from None
            except EndpointError:
                raise
            except Exception as error:  # a connection reset within the body raises the HTTP library's own error
                fault, detail = "connection", f"{type(error).__name__}: {self._clean(str(error))}"
            self.usage.fault(fault)
            pause = backoff(attempt, wait)
            attempt += 1
            if attempt >= self.settings.attempts or time.monotonic() + pause >= deadline:
                raise EndpointError(self._failure(fault, detail))
            self.usage.count("retries")
            await asyncio.sleep(pause)

    async def _sent(
        self, question: Question, messages: Sequence[Message], parameters: dict[str, Any], structured: bool
    ) -> Paid:
        """One request; its body is read in pieces, so that a very large body cannot fill the memory."""
        body = dict(parameters)
        # Lone surrogates, which a sampled response may hold, cannot be sent.
        sent: list[Any] = [
            {name: text.encode("utf-8", "replace").decode("utf-8") for name, text in message.items()}
            for message in messages
        ]
        if question.schema is not None and structured:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": question.schema.__name__.lower(), "schema": strict_schema(question.schema), "strict": True,
                },
            }  # fmt: skip
        elif question.schema is not None:
            sent[-1]["content"] = f"{sent[-1].get('content', '')}\n\n{in_words(question.schema)}"
        whole = bytearray()
        async with self._client.chat.completions.with_streaming_response.create(
            model=self.settings.model, messages=sent, extra_body=body
        ) as response:
            async for piece in response.iter_bytes():
                whole += piece
                if len(whole) > self.settings.answer_bytes:
                    self.usage.count("oversized")
                    return Paid("", 0, len(whole) // 4)
        return content(bytes(whole), sent)

    def _clean(self, text: str) -> str:
        """One line of an error message, without the API key, which some servers repeat."""
        if self._key != "none":
            text = text.replace(self._key, "***")
        return " ".join(text.split())[:_SHOWN]

    def _failure(self, fault: str, detail: str, status: int = 0) -> str:
        host = urlsplit(self.settings.base_url).netloc
        remedy = {
            401: f"check ${self.settings.key_variable}",
            403: f"check ${self.settings.key_variable}",
            404: "check --endpoint.base-url and --endpoint.model",
        }.get(status, "check the server" if status == 0 else "check --endpoint.extra and --endpoint.model")
        return f"endpoint: {host} gave no answer ({fault}: {detail}): {remedy}"


def _again(messages: Sequence[Message], text: str, why: str, schema: str) -> list[Message]:
    said = f"That could not be read: {why}. Answer again, with the JSON object only."
    return [
        *messages,
        {"role": "assistant", "content": text[:2000] or "(nothing)"},
        {"role": "user", "content": f"{said}\n\n{schema}" if schema else said},
    ]
