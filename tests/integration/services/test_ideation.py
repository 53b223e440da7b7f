"""The studio, turn by turn, over each backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import pytest

from focal_data.backends import get_repository_factory
from focal_data.data_layer import DataLayer
from focal_data.domain.ideation import (
    ChatMessage,
    IdeationSession,
    MessageRole,
    PRDDraft,
    ProjectStatus,
    RequirementPriority,
    RequirementType,
)
from focal_data.domain.maturity import MATURITY_RULES, MaturityAspect, assessed
from focal_data.errors import (
    ConflictError,
    ContentFilterError,
    DuplicateError,
    InvalidDataError,
    NotFoundError,
    ProviderConnectionError,
    StoreConnectionError,
    StructuredOutputError,
)
from focal_data.providers.llm.exchange import LLMRequest, Reply
from focal_data.providers.llm.fake import FakeLLMProvider
from focal_data.providers.retrying import Call
from focal_data.services.ideation import IdeationService
from focal_data.services.ideation_words import (
    AspectScore,
    ConversationLimits,
    FoundRequirement,
    PRDReply,
    SectionReply,
    StoriesReply,
    StoryReply,
    TurnReply,
)
from focal_data.settings import IdeationBackend
from focal_data.stores.ideation import IdeationStores, IdeationTenant


def says(reply: str, *found: str, **scores: float) -> TurnReply:
    """The model's side of a turn: its words, requirements, and scores."""
    requirements = [
        FoundRequirement(
            description=description,
            type=RequirementType.FUNCTIONAL,
            priority=RequirementPriority.MUST_HAVE,
            category=MaturityAspect.FUNCTIONS,
        )
        for description in found
    ]
    maturity = [AspectScore(category=MaturityAspect(name), score=score) for name, score in scores.items()]
    return TurnReply(reply=reply, requirements=requirements, maturity=maturity)


class HeldProvider(FakeLLMProvider):
    """A model that waits until it is let go."""

    def __init__(self, *replies: TurnReply) -> None:
        super().__init__(*replies)
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def _complete(self, request: LLMRequest, call: Call) -> Reply:
        self.asked.set()
        await self.go_on.wait()
        return await super()._complete(request, call)


@pytest.fixture(params=[backend.value for backend in IdeationBackend])
def stores(request: pytest.FixtureRequest, data: DataLayer) -> IdeationTenant:
    """A tenant of this test alone, on each backend."""
    return get_repository_factory(data, request.param).tenant(uuid4())


@pytest.fixture
def llm() -> FakeLLMProvider:
    """A model to be told what to say."""
    return FakeLLMProvider()


@pytest.fixture
def studio(stores: IdeationTenant, llm: FakeLLMProvider) -> IdeationService:
    """The studio."""
    return IdeationService(stores, llm)


@pytest.fixture
async def session(studio: IdeationService) -> IdeationSession:
    """A project that was just begun."""
    return await studio.start("ada", "A shop")


async def contents(stores: IdeationTenant, session: IdeationSession) -> list[str]:
    """What was said."""
    return [message.content for message in await stores.messages.get_by_session(session.id)]


async def test_a_project_begins_with_nothing_known(studio: IdeationService, stores: IdeationTenant) -> None:
    """Its maturity is stored; an id may be chosen, once."""
    session = await studio.start("ada", "A shop", session_id="mine")
    assert ("mine", 1, ProjectStatus.DRAFT) == (session.id, session.version, session.status)
    maturity = await studio.get_session_maturity("mine")
    assert (0.0, False, len(MATURITY_RULES)) == (maturity.score, maturity.can_submit, len(maturity.gaps))
    assert maturity == await stores.maturity.get_by_session("mine")
    with pytest.raises(DuplicateError):
        await studio.start("eve", "Mine", session_id="mine")
    assert [session] == await stores.sessions.list_by_user("ada")


async def test_a_turn_is_stored_whole(
    studio: IdeationService, stores: IdeationTenant, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """Question, answer, requirements, maturity, and the session's next version."""
    llm.then(says("For whom?", "Sells shoes", "Ships worldwide", functions=40, problem=50))
    turn = await studio.chat(session.id, "A shop for shoes", message_id="q1")
    assert ("q1", 0, "A shop for shoes") == (turn.question.id, turn.question.position, turn.question.content)
    assert (MessageRole.ASSISTANT, 1, "For whom?") == (
        turn.answer.role,
        turn.answer.position,
        turn.answer.content,
    )
    assert (20.0, 20.0) == (turn.maturity.score, turn.answer.maturity_delta)
    assert ["Sells shoes", "Ships worldwide"] == [found.description for found in turn.requirements]
    assert {"functions"} == {found.category_id for found in turn.requirements}
    assert turn.answer.metadata is not None
    assert ("q1", "fake-llm") == (turn.answer.metadata["answers"], turn.answer.metadata["model"])
    seen = await studio.resume(session.id)
    assert ([turn.question, turn.answer], None) == (seen.messages, seen.waiting)
    assert (turn.requirements, turn.maturity, 2) == (seen.requirements, seen.maturity, seen.session.version)


async def test_the_model_is_told_what_is_known(
    studio: IdeationService, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """The conversation, the requirements and the scores so far; nothing is found twice."""
    llm.then(
        says("For whom?", "Sells shoes", users=30),
        says("Fine", " sells  SHOES ", "Takes cards", "takes cards"),
    )
    await studio.chat(session.id, "A shop")
    second = await studio.chat(session.id, "For everybody")
    assert ["Takes cards"] == [found.description for found in second.requirements]
    request = llm.calls[1]
    assert ["A shop", "For whom?", "For everybody"] == [message.content for message in request.messages]
    assert request.system is not None
    assert "Sells shoes" in request.system
    assert "users (who uses it, and how they work today): 30" in request.system
    assert [0.0, 4.5, 0.0, 0.0] == [m.maturity_delta for m in (await studio.resume(session.id)).messages]


async def test_what_was_understood_can_be_submitted(
    studio: IdeationService, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """When every category that this needs is high enough; scores are kept from turn to turn."""
    llm.then(says("Go on", problem=90, users=70), says("Done", functions=80, scope=70))
    assert not (await studio.chat(session.id, "one")).maturity.can_submit
    assert (await studio.chat(session.id, "two")).maturity.can_submit
    assert (await studio.get_session_maturity(session.id)).can_submit


FAILURES = [ProviderConnectionError("no"), ContentFilterError("no"), RuntimeError("no")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_turn_that_fails_leaves_the_message_and_is_tried_again(
    studio: IdeationService,
    stores: IdeationTenant,
    session: IdeationSession,
    llm: FakeLLMProvider,
    failure: Exception,
) -> None:
    """By another service, after a restart; nothing is doubled, however often."""
    llm.then(failure)
    with pytest.raises(type(failure)):
        await studio.chat(session.id, "A shop", message_id="q1")
    seen = await studio.resume(session.id)
    assert seen.waiting is not None
    assert ("q1", 1, [], 0.0) == (
        seen.waiting.id,
        seen.session.version,
        seen.requirements,
        seen.maturity.score,
    )
    again = IdeationService(stores, FakeLLMProvider(says("For whom?", "Sells", users=10)))
    turn = await again.retry(session.id)
    assert turn == await again.retry(session.id)
    assert turn == await again.chat(session.id, "A shop", message_id="q1")
    assert ["A shop", "For whom?"] == await contents(stores, session)
    assert turn.requirements == await stores.requirements.get_by_session(session.id)


async def test_an_answer_that_does_not_fit_stores_nothing(
    studio: IdeationService, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """Nor does one with a score that is none, or text that is blank or can't be kept; each was asked for once more."""
    good = says("x", "y", users=1).model_dump_json()
    for bad in (
        "no JSON",
        good.replace('"x"', r'" \n"'),
        good.replace('"y"', '"\u2003"'),
        good.replace("1.0", "101"),
        good.replace('"x"', r'"\u0000"'),
        good.replace("users", "u"),
    ):
        llm.then(bad, bad)
        with pytest.raises(StructuredOutputError):
            await (studio.retry(session.id) if llm.calls else studio.chat(session.id, "A shop"))
    seen = await studio.resume(session.id)
    assert (1, [], 1) == (len(seen.messages), seen.requirements, seen.session.version)
    assert 12 == len(llm.calls)


async def test_a_message_that_waits_comes_first(
    studio: IdeationService, stores: IdeationTenant, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """Another one is refused, and not stored; unless the first is to be passed over."""
    llm.then(ProviderConnectionError("no"), says("You're welcome"))
    with pytest.raises(ProviderConnectionError):
        await studio.chat(session.id, "one", message_id="q1")
    with pytest.raises(ConflictError, match="waits for its answer"):
        await studio.chat(session.id, "two")
    assert ["one"] == await contents(stores, session)
    turn = await studio.chat(session.id, "two", skip_waiting=True)
    assert ["one", "two", "You're welcome"] == await contents(stores, session)
    assert turn == await studio.retry(session.id)
    with pytest.raises(ConflictError, match="passed over"):
        await studio.chat(session.id, "one", message_id="q1")


async def test_an_id_belongs_to_one_message(
    studio: IdeationService, stores: IdeationTenant, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """The same one is the same turn, also when others came since; another text is a duplicate."""
    llm.then(says("a1", "r1"), says("a2", "r2"))
    first = await studio.chat(session.id, "one", message_id="q1")
    await studio.chat(session.id, "two", message_id="q2")
    again = await studio.chat(session.id, "one", message_id="q1")
    assert (first.question, first.answer, first.requirements) == (
        again.question,
        again.answer,
        again.requirements,
    )
    for text, taken in (("other", "q1"), ("a1", first.answer.id)):
        with pytest.raises(DuplicateError):
            await studio.chat(session.id, text, message_id=taken)
    assert ["one", "a1", "two", "a2"] == await contents(stores, session)


async def test_of_turns_at_once_one_wins(
    studio: IdeationService, stores: IdeationTenant, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """Or they come one after the other: every answer stands behind its question, and what lost has left nothing."""
    llm.then(*(says(f"answer {n}", f"r{n}") for n in range(8)))
    outcomes = await asyncio.gather(
        *(studio.chat(session.id, f"question {n}") for n in range(8)), return_exceptions=True
    )
    turns = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert {ConflictError} >= {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)}
    turns.sort(key=lambda turn: turn.question.position or 0)
    assert 1 <= len(turns)
    said = [message.content for turn in turns for message in (turn.question, turn.answer)]
    assert said == await contents(stores, session)
    seen = await studio.resume(session.id)
    assert 1 + len(turns) == seen.session.version
    assert len(turns) == len(seen.requirements)


async def test_of_tries_at_once_one_is_stored(stores: IdeationTenant, session: IdeationSession) -> None:
    """The others get what it stored, whatever their model said."""
    await stores.messages.create(ChatMessage(session_id=session.id, role=MessageRole.USER, content="A shop"))
    services = [IdeationService(stores, FakeLLMProvider(says(f"answer {n}", f"r{n}"))) for n in range(5)]
    turns = await asyncio.gather(*(service.retry(session.id) for service in services))
    assert all(turn == turns[0] for turn in turns)
    assert ["A shop", turns[0].answer.content] == await contents(stores, session)
    assert turns[0].requirements == await stores.requirements.get_by_session(session.id)


async def test_no_transaction_is_open_while_the_model_thinks(
    stores: IdeationTenant, session: IdeationSession
) -> None:
    """Others read the message, and may change the session: the turn ends all the same, on top of that."""
    llm = HeldProvider(says("For whom?"))
    turn = asyncio.create_task(IdeationService(stores, llm).chat(session.id, "A shop"))
    await llm.asked.wait()
    assert ["A shop"] == await contents(stores, session)
    renamed = await stores.sessions.update(session.evolve(project_name="A big shop"))
    llm.go_on.set()
    await turn
    stored = await stores.sessions.get_by_id(session.id)
    assert stored is not None
    assert ("A big shop", renamed.version + 1) == (stored.project_name, stored.version)


@pytest.mark.parametrize("gone", ["session", "messages", "replaced"])
async def test_what_is_removed_meanwhile_stays_removed(
    stores: IdeationTenant, session: IdeationSession, gone: str
) -> None:
    """The session, or its messages: the answer is not stored."""
    llm = HeldProvider(says("For whom?", "Sells"))
    turn = asyncio.create_task(IdeationService(stores, llm).chat(session.id, "A shop"))
    await llm.asked.wait()
    if gone == "session":
        await stores.sessions.delete(session.id)
    else:
        await stores.messages.delete_by_session(session.id)
    if gone == "replaced":  # in its very place
        other = ChatMessage(session_id=session.id, role=MessageRole.USER, content="A library")
        await stores.messages.create(other)
    llm.go_on.set()
    with pytest.raises(NotFoundError if gone == "session" else ConflictError):
        await turn
    assert (["A library"] if gone == "replaced" else []) == await contents(stores, session)
    assert [] == await stores.requirements.get_by_session(session.id)


async def test_a_caller_that_goes_away_leaves_a_message_that_waits(
    stores: IdeationTenant, session: IdeationSession
) -> None:
    """As a process that dies would."""
    llm = HeldProvider(says("For whom?"))
    turn = asyncio.create_task(IdeationService(stores, llm).chat(session.id, "A shop"))
    await llm.asked.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    again = IdeationService(stores, FakeLLMProvider(says("For whom?")))
    assert (await again.resume(session.id)).waiting is not None
    await again.retry(session.id)
    assert ["A shop", "For whom?"] == await contents(stores, session)


class Unsure(IdeationTenant):
    """Stores whose connection is lost at the end of the second transaction: after it was committed, or before."""

    def __init__(self, stores: IdeationTenant, *, committed: bool) -> None:
        self._stores = stores
        self._committed = committed
        self._begun = 0

    def transaction(self) -> AbstractAsyncContextManager[IdeationStores]:
        return self._lost()

    @asynccontextmanager
    async def _lost(self) -> AsyncIterator[IdeationStores]:
        self._begun += 1
        lost = self._begun == 2
        async with self._stores.transaction() as stores:
            yield stores
            if lost and not self._committed:
                raise StoreConnectionError("lost")
        if lost:
            raise StoreConnectionError("lost")

    def __getattr__(self, name: str) -> object:
        return getattr(self._stores, name)

    tenant_id = property(lambda self: self._stores.tenant_id)
    sessions = property(lambda self: self._stores.sessions)
    messages = property(lambda self: self._stores.messages)
    requirements = property(lambda self: self._stores.requirements)
    maturity = property(lambda self: self._stores.maturity)
    prd = property(lambda self: self._stores.prd)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_turn_whose_outcome_is_unknown_is_tried_again(
    stores: IdeationTenant, session: IdeationSession, *, committed: bool
) -> None:
    """The model is asked again only where nothing was stored; nothing is doubled."""
    llm = FakeLLMProvider(says("first", "r1"), says("second", "r2"))
    studio = IdeationService(Unsure(stores, committed=committed), llm)
    with pytest.raises(StoreConnectionError):
        await studio.chat(session.id, "A shop", message_id="q1")
    turn = await studio.chat(session.id, "A shop", message_id="q1")
    expected = "first" if committed else "second"
    assert (expected, 1 if committed else 2) == (turn.answer.content, len(llm.calls))
    assert ["A shop", expected] == await contents(stores, session)
    assert 1 == len(await stores.requirements.get_by_session(session.id))


@pytest.mark.slow
async def test_the_model_is_shown_the_end_of_a_long_conversation(
    stores: IdeationTenant, session: IdeationSession
) -> None:
    """As many messages and characters as the limits allow, from one of the user's on; the last one always."""
    async with stores.transaction() as tx:
        for n in range(1100):
            role = MessageRole.ASSISTANT if n % 2 else MessageRole.USER
            await tx.messages.create(ChatMessage(session_id=session.id, role=role, content=f"m{n:04}"))
    shown = []
    for limits in (
        ConversationLimits(messages=4),
        ConversationLimits(messages=5),
        ConversationLimits(characters=16),
        ConversationLimits(characters=1),
    ):
        llm = FakeLLMProvider(says("a" * 5))
        await IdeationService(stores, llm, limits=limits).chat(session.id, "qq")
        shown.append([message.content for message in llm.calls[0].messages])
    said = ["qq", "aaaaa", "qq", "aaaaa", "qq"]
    assert [["m1098", "m1099", "qq"], ["m1098", "m1099", *said[:3]], said, ["qq"]] == shown
    assert 1108 == len((await IdeationService(stores, FakeLLMProvider()).resume(session.id)).messages)


async def test_documents_are_written_and_replaced(
    studio: IdeationService, stores: IdeationTenant, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """A draft of the next version each time, and stories that name the requirements they meet."""
    llm.then(says("For whom?", "Sells shoes", "Ships"))
    requirements = (await studio.chat(session.id, "A shop")).requirements
    sections = [SectionReply(heading="Goals", content="Sell"), SectionReply(heading="Users", content="All")]
    llm.then(PRDReply(title="Shop", sections=sections), PRDReply(title="Shop 2", sections=sections[:1]))
    first, second = [await studio.generate_prd(session.id) for _ in range(2)]
    assert [("0.1.0", 2), ("0.2.0", 1)] == [(draft.version, len(draft.sections)) for draft in (first, second)]
    assert [(0, "Goals"), (1, "Users")] == [(section.order, section.heading) for section in first.sections]
    edited = await studio.save_draft(second.evolve(title="Edited", version="1.0.0"))
    story = StoryReply(
        title="Buy",
        as_a="customer",
        i_want="shoes",
        so_that="I walk",
        acceptance_criteria=["paid"],
        requirements=[2, 1, 2, 0, 3, -1],
        priority=RequirementPriority.MUST_HAVE,
    )
    llm.then(StoriesReply(stories=[story, story]), StoriesReply(stories=[story]))
    for expected in (2, 1):
        stories = await studio.generate_user_stories(session.id)
        assert expected == len(stories)
    assert [[requirements[1].id, requirements[0].id]] == [story.linked_requirements for story in stories]
    told = llm.calls[-1].system or ""
    assert "1. (functional, must_have) Sells shoes\n2. " in told
    assert "Edited\n\n## Goals\nSell" in told
    seen = await studio.resume(session.id)
    assert (edited, stories, 7) == (seen.draft, seen.stories, seen.session.version)
    assert "A shop" in llm.calls[-1].messages[-1].content


async def test_a_document_that_fails_leaves_what_there_was(
    studio: IdeationService, session: IdeationSession, llm: FakeLLMProvider
) -> None:
    """Draft, stories and version; it can be asked for again."""
    draft = await studio.save_draft(PRDDraft(session_id=session.id, title="Mine", version="draft 7"))
    llm.then("no", "no", ProviderConnectionError("no"))
    with pytest.raises(StructuredOutputError):
        await studio.generate_prd(session.id)
    with pytest.raises(ProviderConnectionError):
        await studio.generate_user_stories(session.id)
    seen = await studio.resume(session.id)
    assert (draft, [], 2) == (seen.draft, seen.stories, seen.session.version)
    llm.then(PRDReply(title="Theirs", sections=[SectionReply(heading="h", content="c")]))
    assert "0.1.0" == (await studio.generate_prd(session.id)).version


async def test_a_missing_session_is_told(studio: IdeationService, llm: FakeLLMProvider) -> None:
    """By every call, and the model is not asked."""
    for call in (
        studio.chat("missing", "A shop"),
        studio.retry("missing"),
        studio.resume("missing"),
        studio.get_session_maturity("missing"),
        studio.save_draft(PRDDraft(session_id="missing", title="x")),
        studio.generate_prd("missing"),
        studio.generate_user_stories("missing"),
    ):
        with pytest.raises(NotFoundError) as caught:
            await call
        assert "IdeationSession" == caught.value.entity
    assert [] == llm.calls


async def test_nothing_to_say_is_refused(
    studio: IdeationService, stores: IdeationTenant, session: IdeationSession
) -> None:
    """And there is nothing to try again before something was said."""
    for text in ("", " \n", None):
        with pytest.raises(InvalidDataError, match="text"):
            await studio.chat(session.id, text)  # type: ignore[arg-type]
    with pytest.raises(ConflictError):
        await studio.retry(session.id)
    assert [] == await contents(stores, session)


async def test_maturity_of_a_session_from_elsewhere(studio: IdeationService, stores: IdeationTenant) -> None:
    """Where none was saved it is that of a new one."""
    session = await stores.sessions.create(IdeationSession(project_name="Old", user_id="ada"))
    assert assessed(session.id, {}) == await studio.get_session_maturity(session.id)
    assert assessed(session.id, {}) == (await studio.resume(session.id)).maturity
