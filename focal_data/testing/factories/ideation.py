"""The ideation studio: everything hangs on its session."""

from __future__ import annotations

import factory

from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityCategory,
    MaturityState,
    MessageRole,
    PRDDraft,
    PRDSection,
    RequirementPriority,
    RequirementType,
    UserStory,
)
from focal_data.testing.factories import chance
from focal_data.testing.factories.base import (
    TEXT_ID,
    TIME,
    DomainFactory,
    E,
    Parent,
    ValueFactory,
    drawn,
    id_of,
    named,
    picked,
)

_WISHES = (
    "customers can return an item from their phone",
    "an agent answers within two seconds",
    "managers see what was asked most often",
)


class IdeationSessionFactory(DomainFactory[IdeationSession]):
    class Meta:
        model = IdeationSession

    id = TEXT_ID
    project_name = named("Return desk", "Booking assistant")
    user_id = named("editor")


class SessionPartFactory(DomainFactory[E]):
    """What hangs on an ideation session: ``session=…`` or ``session_id=…``, or one is made."""

    class Meta:
        abstract = True

    class Params:
        session = Parent(IdeationSessionFactory)

    session_id = id_of("session")


class ChatMessageFactory(SessionPartFactory[ChatMessage]):
    class Meta:
        model = ChatMessage

    id = TEXT_ID
    role = picked(MessageRole)
    content = picked(_WISHES)
    timestamp = TIME
    maturity_delta = factory.LazyFunction(lambda: float(chance.number(-5, 10)))
    metadata = factory.LazyFunction(lambda: {"tokens": chance.number(5, 200)})


class ExtractedRequirementFactory(SessionPartFactory[ExtractedRequirement]):
    class Meta:
        model = ExtractedRequirement

    id = TEXT_ID
    description = picked(_WISHES)
    type = picked(RequirementType)
    priority = picked(RequirementPriority)
    category_id = picked(("audience", "scope", "quality"))


class MaturityCategoryFactory(ValueFactory[MaturityCategory]):
    class Meta:
        model = MaturityCategory

    id = picked(("audience", "scope", "quality"))
    name = factory.LazyAttribute(lambda category: category.id.capitalize())
    score = factory.LazyFunction(lambda: float(chance.number(0, 100)))
    required_for_submit = True


class MaturityStateFactory(SessionPartFactory[MaturityState]):
    class Meta:
        model = MaturityState

    score = factory.LazyFunction(lambda: float(chance.number(0, 100)))
    level = picked(("vague", "clear", "ready"))
    categories = factory.LazyFunction(lambda: [MaturityCategoryFactory.build()])
    gaps = factory.LazyFunction(lambda: ["Who will use it?"])


class PRDSectionFactory(ValueFactory[PRDSection]):
    class Meta:
        model = PRDSection

    id = TEXT_ID
    heading = picked(("Goal", "Audience", "Scope"))
    content = picked(_WISHES)
    order = drawn(1, 20)


class PRDDraftFactory(SessionPartFactory[PRDDraft]):
    class Meta:
        model = PRDDraft

    id = TEXT_ID
    title = named("Return desk", "Booking assistant")
    version = picked(("0.1.0", "0.2.0"))
    sections = factory.LazyFunction(
        lambda: [PRDSectionFactory.build(order=1), PRDSectionFactory.build(order=2)]
    )


class UserStoryFactory(SessionPartFactory[UserStory]):
    class Meta:
        model = UserStory

    id = TEXT_ID
    title = named("Return an item", "See the numbers")
    as_a = picked(("customer", "manager"))
    i_want = picked(_WISHES)
    so_that = "nobody has to wait"
    acceptance_criteria = factory.LazyFunction(lambda: ["It takes less than a minute."])
    linked_requirements = factory.LazyFunction(lambda: [chance.text_id()])
    priority = picked(RequirementPriority)
