"""A factory for the rows of every table; ``rows.py`` says what they have in common."""

from __future__ import annotations

from datetime import timedelta

import factory

from focal_data.tables import audit, config, ideation, memory, profile, reembedding
from focal_data.testing.factories import audit as of_audit
from focal_data.testing.factories import chance
from focal_data.testing.factories import config as of_config
from focal_data.testing.factories import ideation as of_ideation
from focal_data.testing.factories import memory as of_memory
from focal_data.testing.factories import profile as of_profile
from focal_data.testing.factories.base import NEW_ID, TIME, drawn
from focal_data.testing.factories.rows import R, TableFactory


class MutableTableFactory(TableFactory[R]):
    """Rows with a revision and the two times."""

    class Meta:
        abstract = True

    revision = 1
    created_at = TIME
    updated_at = factory.SelfAttribute("created_at")


class AgentTableFactory(MutableTableFactory[config.AgentTable]):
    class Meta:
        model = config.AgentTable

    _entity = of_config.AgentFactory


class RuleTableFactory(MutableTableFactory[config.RuleTable]):
    class Meta:
        model = config.RuleTable

    _entity = of_config.RuleFactory


class ScenarioTableFactory(MutableTableFactory[config.ScenarioTable]):
    class Meta:
        model = config.ScenarioTable

    _entity = of_config.ScenarioFactory


class ScenarioArchiveTableFactory(TableFactory[config.ScenarioArchiveTable]):
    class Meta:
        model = config.ScenarioArchiveTable

    _entity = of_config.ScenarioArchiveFactory
    archived_at = TIME


class TemplateTableFactory(MutableTableFactory[config.TemplateTable]):
    class Meta:
        model = config.TemplateTable

    _entity = of_config.TemplateFactory


class VariableTableFactory(MutableTableFactory[config.VariableTable]):
    class Meta:
        model = config.VariableTable

    _entity = of_config.VariableFactory


class ToolActivationTableFactory(MutableTableFactory[config.ToolActivationTable]):
    class Meta:
        model = config.ToolActivationTable

    _entity = of_config.ToolActivationFactory


class MigrationPlanTableFactory(MutableTableFactory[config.MigrationPlanTable]):
    class Meta:
        model = config.MigrationPlanTable

    _entity = of_config.MigrationPlanFactory


class EpisodeTableFactory(TableFactory[memory.EpisodeTable]):
    class Meta:
        model = memory.EpisodeTable

    _entity = of_memory.EpisodeFactory
    recorded_at = TIME


class EntityTableFactory(TableFactory[memory.EntityTable]):
    class Meta:
        model = memory.EntityTable

    _entity = of_memory.EntityFactory
    revision = 1
    recorded_at = TIME


class EntityHistoryTableFactory(TableFactory[memory.EntityHistoryTable]):
    """A version that another one replaced a day later."""

    class Meta:
        model = memory.EntityHistoryTable

    _entity = of_memory.EntityFactory
    _free = ("agent",)
    revision = 1
    recorded_at = TIME
    superseded_at = factory.LazyAttribute(lambda version: version.recorded_at + timedelta(days=1))


class RelationshipTableFactory(TableFactory[memory.RelationshipTable]):
    class Meta:
        model = memory.RelationshipTable

    _entity = of_memory.RelationshipFactory
    revision = 1
    recorded_at = TIME


class RelationshipHistoryTableFactory(TableFactory[memory.RelationshipHistoryTable]):
    """A version that another one replaced a day later."""

    class Meta:
        model = memory.RelationshipHistoryTable

    _entity = of_memory.RelationshipFactory
    _free = ("from_entity", "to_entity")
    revision = 1
    recorded_at = TIME
    superseded_at = factory.LazyAttribute(lambda version: version.recorded_at + timedelta(days=1))


class TurnRecordTableFactory(TableFactory[audit.TurnRecordTable]):
    class Meta:
        model = audit.TurnRecordTable

    _entity = of_audit.TurnRecordFactory
    created_at = TIME


class AuditEventTableFactory(TableFactory[audit.AuditEventTable]):
    class Meta:
        model = audit.AuditEventTable

    _entity = of_audit.AuditEventFactory
    created_at = TIME


class AuditHeadTableFactory(TableFactory[audit.AuditHeadTable]):
    """The end of a chain that no row belongs to."""

    class Meta:
        model = audit.AuditHeadTable

    chain_id = NEW_ID
    sequence = drawn(1, 1000)
    hash = factory.LazyFunction(lambda: bytes.fromhex(chance.digest()))


class CustomerProfileTableFactory(MutableTableFactory[profile.CustomerProfileTable]):
    class Meta:
        model = profile.CustomerProfileTable

    _entity = of_profile.CustomerProfileFactory


class ChannelIdentityTableFactory(MutableTableFactory[profile.ChannelIdentityTable]):
    class Meta:
        model = profile.ChannelIdentityTable

    _entity = of_profile.ChannelIdentityFactory


class ProfileFieldTableFactory(MutableTableFactory[profile.ProfileFieldTable]):
    class Meta:
        model = profile.ProfileFieldTable

    _entity = of_profile.ProfileFieldFactory


class ProfileAssetTableFactory(MutableTableFactory[profile.ProfileAssetTable]):
    class Meta:
        model = profile.ProfileAssetTable

    _entity = of_profile.ProfileAssetFactory


class IdeationSessionTableFactory(TableFactory[ideation.IdeationSessionTable]):
    class Meta:
        model = ideation.IdeationSessionTable

    _entity = of_ideation.IdeationSessionFactory
    version = 1
    created_at = TIME
    updated_at = factory.SelfAttribute("created_at")


class ChatMessageTableFactory(TableFactory[ideation.ChatMessageTable]):
    class Meta:
        model = ideation.ChatMessageTable

    _entity = of_ideation.ChatMessageFactory
    position = factory.LazyFunction(chance.position)


class ExtractedRequirementTableFactory(TableFactory[ideation.ExtractedRequirementTable]):
    class Meta:
        model = ideation.ExtractedRequirementTable

    _entity = of_ideation.ExtractedRequirementFactory
    created_at = TIME


class MaturityStateTableFactory(TableFactory[ideation.MaturityStateTable]):
    class Meta:
        model = ideation.MaturityStateTable

    _entity = of_ideation.MaturityStateFactory
    updated_at = TIME


class PRDDraftTableFactory(TableFactory[ideation.PRDDraftTable]):
    class Meta:
        model = ideation.PRDDraftTable

    _entity = of_ideation.PRDDraftFactory
    created_at = TIME


class UserStoryTableFactory(TableFactory[ideation.UserStoryTable]):
    class Meta:
        model = ideation.UserStoryTable

    _entity = of_ideation.UserStoryFactory
    position = factory.LazyFunction(chance.position)
    created_at = TIME


class StagedEmbeddingTableFactory(TableFactory[reembedding.StagedEmbeddingTable]):
    """An entity's text that a model refused."""

    class Meta:
        model = reembedding.StagedEmbeddingTable

    id = NEW_ID
    entity_id = NEW_ID
    revision = 1
    digest = factory.LazyFunction(lambda: bytes.fromhex(chance.digest()))
    target_model = "a-model"
