"""The data layer under multi-tenant conversational agents: PostgreSQL with pgvector, Redis sessions, migrations.

Each name is loaded when it is first used (PEP 562): importing the package loads no driver. A name stands here twice, with its
module: in the table, for Python, and in an import, for what reads types and completes names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

_NAMES: Final = {
    "backends": "get_repository_factory",
    "data_layer": "DataLayer Tenant",
    "domain.answers": "CountMode Page Scored",
    "domain.audit": "AuditEvent ToolCall TurnRecord",
    "domain.base": "MutableEntity SoftDeletableEntity ValueObject",
    "domain.chain": "AuditKeys AuditKind ChainHead",
    "domain.conditions": "AllOf AnyOf Between Condition Contains Equals IsNull Not OneOf field",
    "domain.config": (
        "Agent AgentSettings AnchorMigrationPolicy AnchorTransformation MigrationPlan MigrationPlanStatus"
        " MigrationScenario MigrationSummary NodeChanges Rule Scenario ScenarioArchive ScenarioStep Scope"
        " ScopeFilter StepTransition Template TemplateMode ToolActivation TransformationMap Variable"
        " VariableUpdatePolicy"
    ),
    "domain.embedding": "Embedding",
    "domain.filters": "EntityFilter EpisodeFilter RelationshipFilter RuleFilter ScenarioFilter",
    "domain.ideation": (
        "ChatMessage DataSource ExtractedRequirement IdeationSession MaturityCategory MaturityState"
        " MessageRole PRDDraft PRDSection ProjectStatus RequirementPriority RequirementType UserStory"
    ),
    "domain.maturity": "MaturityAspect MaturityRule assessed",
    "domain.memory": (
        "ContentType Direction Entity Episode EpisodeSource GroupDeletion Language Relationship Traversal"
    ),
    "domain.profile": (
        "Channel ChannelIdentity Consent CustomerProfile FieldSource ProfileAsset ProfileField"
        " VerificationLevel"
    ),
    "domain.session": "PendingMigration Session SessionStatus StepVisit",
    "embedded": "EmbeddedEngines",
    "errors": (
        "AccessError AuthenticationError ConflictError ContentFilterError CorruptDataError DuplicateError"
        " FocalDataError InUseError InvalidDataError ModelError NotFoundError Outcome ProviderConnectionError"
        " ProviderError RateLimitError RetryableError SchemaError SettingsError StaleRevisionError"
        " StoreConnectionError StoreError StoreTimeoutError StructuredOutputError UsageError"
    ),
    "ids": "TenantId new_id",
    "operations.erasure": "CustomerExport",
    "operations.ground": "ErasureReceipt",
    "operations.operator": "Operator",
    "operations.reembedding": "EmbeddingJob Pace ReembeddingReceipt",
    "providers.embedding.base": "EmbeddingProvider",
    "providers.embedding.cached": "CachedEmbeddingProvider MemoryCache",
    "providers.embedding.fake": "FakeEmbeddingProvider",
    "providers.embedding.local": "LocalEmbeddingProvider",
    "providers.embedding.openai": "OpenAIEmbeddingProvider",
    "providers.llm.anthropic": "AnthropicProvider",
    "providers.llm.base": "LLMProvider",
    "providers.llm.exchange": "FinishReason LLMResponse Message Usage",
    "providers.llm.fake": "FakeLLMProvider",
    "providers.llm.openai": "OpenAIProvider",
    "providers.llm.stream": "LLMStream",
    "providers.retrying": "CallPolicy",
    "redis.cache": "RedisCache",
    "repositories.base": "TenantRepository",
    "repositories.reembedding": "ToEmbed",
    "services.ideation": "Conversation IdeationService",
    "services.ideation_turn": "ChatTurn",
    "services.ideation_words": "ConversationLimits",
    "settings": "IdeationBackend Settings",
    "stores.audit": "AuditStore",
    "stores.base": "read_modify_write",
    "stores.composed.ideation": "BothIdeationFactory IdeationSide SharedClock",
    "stores.config": "ConfigStore",
    "stores.ideation": (
        "IdeationFactory IdeationMaturityStore IdeationMessageStore IdeationPRDStore"
        " IdeationRequirementStore IdeationSessionStore IdeationStores IdeationTenant"
    ),
    "stores.memory": "MemoryStore",
    "stores.profile": "ProfileStore",
    "stores.session": "SessionMaintenance SessionStore",
    "tables.base": "TenantTable",
    "unit_of_work": "UnitOfWork",
}
_MODULES: Final = dict(
    sorted((name, f"focal_data.{module}") for module, names in _NAMES.items() for name in names.split())
)

if TYPE_CHECKING:
    from focal_data.backends import get_repository_factory as get_repository_factory
    from focal_data.data_layer import DataLayer as DataLayer
    from focal_data.data_layer import Tenant as Tenant
    from focal_data.domain.answers import CountMode as CountMode
    from focal_data.domain.answers import Page as Page
    from focal_data.domain.answers import Scored as Scored
    from focal_data.domain.audit import AuditEvent as AuditEvent
    from focal_data.domain.audit import ToolCall as ToolCall
    from focal_data.domain.audit import TurnRecord as TurnRecord
    from focal_data.domain.base import MutableEntity as MutableEntity
    from focal_data.domain.base import SoftDeletableEntity as SoftDeletableEntity
    from focal_data.domain.base import ValueObject as ValueObject
    from focal_data.domain.chain import AuditKeys as AuditKeys
    from focal_data.domain.chain import AuditKind as AuditKind
    from focal_data.domain.chain import ChainHead as ChainHead
    from focal_data.domain.conditions import AllOf as AllOf
    from focal_data.domain.conditions import AnyOf as AnyOf
    from focal_data.domain.conditions import Between as Between
    from focal_data.domain.conditions import Condition as Condition
    from focal_data.domain.conditions import Contains as Contains
    from focal_data.domain.conditions import Equals as Equals
    from focal_data.domain.conditions import IsNull as IsNull
    from focal_data.domain.conditions import Not as Not
    from focal_data.domain.conditions import OneOf as OneOf
    from focal_data.domain.conditions import field as field
    from focal_data.domain.config import Agent as Agent
    from focal_data.domain.config import AgentSettings as AgentSettings
    from focal_data.domain.config import AnchorMigrationPolicy as AnchorMigrationPolicy
    from focal_data.domain.config import AnchorTransformation as AnchorTransformation
    from focal_data.domain.config import MigrationPlan as MigrationPlan
    from focal_data.domain.config import MigrationPlanStatus as MigrationPlanStatus
    from focal_data.domain.config import MigrationScenario as MigrationScenario
    from focal_data.domain.config import MigrationSummary as MigrationSummary
    from focal_data.domain.config import NodeChanges as NodeChanges
    from focal_data.domain.config import Rule as Rule
    from focal_data.domain.config import Scenario as Scenario
    from focal_data.domain.config import ScenarioArchive as ScenarioArchive
    from focal_data.domain.config import ScenarioStep as ScenarioStep
    from focal_data.domain.config import Scope as Scope
    from focal_data.domain.config import ScopeFilter as ScopeFilter
    from focal_data.domain.config import StepTransition as StepTransition
    from focal_data.domain.config import Template as Template
    from focal_data.domain.config import TemplateMode as TemplateMode
    from focal_data.domain.config import ToolActivation as ToolActivation
    from focal_data.domain.config import TransformationMap as TransformationMap
    from focal_data.domain.config import Variable as Variable
    from focal_data.domain.config import VariableUpdatePolicy as VariableUpdatePolicy
    from focal_data.domain.embedding import Embedding as Embedding
    from focal_data.domain.filters import EntityFilter as EntityFilter
    from focal_data.domain.filters import EpisodeFilter as EpisodeFilter
    from focal_data.domain.filters import RelationshipFilter as RelationshipFilter
    from focal_data.domain.filters import RuleFilter as RuleFilter
    from focal_data.domain.filters import ScenarioFilter as ScenarioFilter
    from focal_data.domain.ideation import ChatMessage as ChatMessage
    from focal_data.domain.ideation import DataSource as DataSource
    from focal_data.domain.ideation import ExtractedRequirement as ExtractedRequirement
    from focal_data.domain.ideation import IdeationSession as IdeationSession
    from focal_data.domain.ideation import MaturityCategory as MaturityCategory
    from focal_data.domain.ideation import MaturityState as MaturityState
    from focal_data.domain.ideation import MessageRole as MessageRole
    from focal_data.domain.ideation import PRDDraft as PRDDraft
    from focal_data.domain.ideation import PRDSection as PRDSection
    from focal_data.domain.ideation import ProjectStatus as ProjectStatus
    from focal_data.domain.ideation import RequirementPriority as RequirementPriority
    from focal_data.domain.ideation import RequirementType as RequirementType
    from focal_data.domain.ideation import UserStory as UserStory
    from focal_data.domain.maturity import MaturityAspect as MaturityAspect
    from focal_data.domain.maturity import MaturityRule as MaturityRule
    from focal_data.domain.maturity import assessed as assessed
    from focal_data.domain.memory import ContentType as ContentType
    from focal_data.domain.memory import Direction as Direction
    from focal_data.domain.memory import Entity as Entity
    from focal_data.domain.memory import Episode as Episode
    from focal_data.domain.memory import EpisodeSource as EpisodeSource
    from focal_data.domain.memory import GroupDeletion as GroupDeletion
    from focal_data.domain.memory import Language as Language
    from focal_data.domain.memory import Relationship as Relationship
    from focal_data.domain.memory import Traversal as Traversal
    from focal_data.domain.profile import Channel as Channel
    from focal_data.domain.profile import ChannelIdentity as ChannelIdentity
    from focal_data.domain.profile import Consent as Consent
    from focal_data.domain.profile import CustomerProfile as CustomerProfile
    from focal_data.domain.profile import FieldSource as FieldSource
    from focal_data.domain.profile import ProfileAsset as ProfileAsset
    from focal_data.domain.profile import ProfileField as ProfileField
    from focal_data.domain.profile import VerificationLevel as VerificationLevel
    from focal_data.domain.session import PendingMigration as PendingMigration
    from focal_data.domain.session import Session as Session
    from focal_data.domain.session import SessionStatus as SessionStatus
    from focal_data.domain.session import StepVisit as StepVisit
    from focal_data.embedded import EmbeddedEngines as EmbeddedEngines
    from focal_data.errors import AccessError as AccessError
    from focal_data.errors import AuthenticationError as AuthenticationError
    from focal_data.errors import ConflictError as ConflictError
    from focal_data.errors import ContentFilterError as ContentFilterError
    from focal_data.errors import CorruptDataError as CorruptDataError
    from focal_data.errors import DuplicateError as DuplicateError
    from focal_data.errors import FocalDataError as FocalDataError
    from focal_data.errors import InUseError as InUseError
    from focal_data.errors import InvalidDataError as InvalidDataError
    from focal_data.errors import ModelError as ModelError
    from focal_data.errors import NotFoundError as NotFoundError
    from focal_data.errors import Outcome as Outcome
    from focal_data.errors import ProviderConnectionError as ProviderConnectionError
    from focal_data.errors import ProviderError as ProviderError
    from focal_data.errors import RateLimitError as RateLimitError
    from focal_data.errors import RetryableError as RetryableError
    from focal_data.errors import SchemaError as SchemaError
    from focal_data.errors import SettingsError as SettingsError
    from focal_data.errors import StaleRevisionError as StaleRevisionError
    from focal_data.errors import StoreConnectionError as StoreConnectionError
    from focal_data.errors import StoreError as StoreError
    from focal_data.errors import StoreTimeoutError as StoreTimeoutError
    from focal_data.errors import StructuredOutputError as StructuredOutputError
    from focal_data.errors import UsageError as UsageError
    from focal_data.ids import TenantId as TenantId
    from focal_data.ids import new_id as new_id
    from focal_data.operations.erasure import CustomerExport as CustomerExport
    from focal_data.operations.ground import ErasureReceipt as ErasureReceipt
    from focal_data.operations.operator import Operator as Operator
    from focal_data.operations.reembedding import EmbeddingJob as EmbeddingJob
    from focal_data.operations.reembedding import Pace as Pace
    from focal_data.operations.reembedding import ReembeddingReceipt as ReembeddingReceipt
    from focal_data.providers.embedding.base import EmbeddingProvider as EmbeddingProvider
    from focal_data.providers.embedding.cached import CachedEmbeddingProvider as CachedEmbeddingProvider
    from focal_data.providers.embedding.cached import MemoryCache as MemoryCache
    from focal_data.providers.embedding.fake import FakeEmbeddingProvider as FakeEmbeddingProvider
    from focal_data.providers.embedding.local import LocalEmbeddingProvider as LocalEmbeddingProvider
    from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider as OpenAIEmbeddingProvider
    from focal_data.providers.llm.anthropic import AnthropicProvider as AnthropicProvider
    from focal_data.providers.llm.base import LLMProvider as LLMProvider
    from focal_data.providers.llm.exchange import FinishReason as FinishReason
    from focal_data.providers.llm.exchange import LLMResponse as LLMResponse
    from focal_data.providers.llm.exchange import Message as Message
    from focal_data.providers.llm.exchange import Usage as Usage
    from focal_data.providers.llm.fake import FakeLLMProvider as FakeLLMProvider
    from focal_data.providers.llm.openai import OpenAIProvider as OpenAIProvider
    from focal_data.providers.llm.stream import LLMStream as LLMStream
    from focal_data.providers.retrying import CallPolicy as CallPolicy
    from focal_data.redis.cache import RedisCache as RedisCache
    from focal_data.repositories.base import TenantRepository as TenantRepository
    from focal_data.repositories.reembedding import ToEmbed as ToEmbed
    from focal_data.services.ideation import Conversation as Conversation
    from focal_data.services.ideation import IdeationService as IdeationService
    from focal_data.services.ideation_turn import ChatTurn as ChatTurn
    from focal_data.services.ideation_words import ConversationLimits as ConversationLimits
    from focal_data.settings import IdeationBackend as IdeationBackend
    from focal_data.settings import Settings as Settings
    from focal_data.stores.audit import AuditStore as AuditStore
    from focal_data.stores.base import read_modify_write as read_modify_write
    from focal_data.stores.composed.ideation import BothIdeationFactory as BothIdeationFactory
    from focal_data.stores.composed.ideation import IdeationSide as IdeationSide
    from focal_data.stores.composed.ideation import SharedClock as SharedClock
    from focal_data.stores.config import ConfigStore as ConfigStore
    from focal_data.stores.ideation import IdeationFactory as IdeationFactory
    from focal_data.stores.ideation import IdeationMaturityStore as IdeationMaturityStore
    from focal_data.stores.ideation import IdeationMessageStore as IdeationMessageStore
    from focal_data.stores.ideation import IdeationPRDStore as IdeationPRDStore
    from focal_data.stores.ideation import IdeationRequirementStore as IdeationRequirementStore
    from focal_data.stores.ideation import IdeationSessionStore as IdeationSessionStore
    from focal_data.stores.ideation import IdeationStores as IdeationStores
    from focal_data.stores.ideation import IdeationTenant as IdeationTenant
    from focal_data.stores.memory import MemoryStore as MemoryStore
    from focal_data.stores.profile import ProfileStore as ProfileStore
    from focal_data.stores.session import SessionMaintenance as SessionMaintenance
    from focal_data.stores.session import SessionStore as SessionStore
    from focal_data.tables.base import TenantTable as TenantTable
    from focal_data.unit_of_work import UnitOfWork as UnitOfWork
else:
    __all__ = list(_MODULES)

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__() -> list[str]:
        return __all__
