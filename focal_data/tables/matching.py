"""The function that matches episodes by their words, past the policy: no index of GIN is ever used under one.

Its caller's tenant must be the one that the transaction names. It tells ids and ranks, and never a row.
"""

from typing import Final

from focal_data.tables.functions import Function

ARGUMENTS: Final = {
    "tenant_id": "uuid",
    "agent_id": "uuid",
    "only_agent_id": "uuid",
    "customer_profile_id": "uuid",
    "group_id": "text",
    "session_id": "uuid",
    "content_types": "text[]",
    "sources": "text[]",
    "languages": "text[]",
    "occurred_from": "timestamptz",
    "occurred_to": "timestamptz",
    "as_of": "timestamptz",
    "min_importance": "double precision",
    "text": "text",
    "limit": "bigint",
}
"""What it takes, in order: each a parameter ``p_<name>``. Fields of a filter that are ``NULL`` ask for nothing."""

MATCH_EPISODES: Final = Function(
    "focal_match_episodes",
    f"""
    ({", ".join(f"p_{name} {kind}" for name, kind in ARGUMENTS.items())})
    RETURNS TABLE (id uuid, rank real)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_custom_plan
    SET random_page_cost = 1.1
    SET client_min_messages = warning
    COST 10000 ROWS 10
    AS $$
    -- The best p_limit of each language that the agent's episodes have: what words there are depends on the language.
    -- Dear random pages would make the planner read all entries of an agent; a notice would repeat the query.
    DECLARE
      v_language text;
      v_profiles uuid[];
      v_query tsquery;
    BEGIN
      IF p_tenant_id IS NULL
         OR p_tenant_id IS DISTINCT FROM NULLIF(current_setting('focal.tenant_id', true), '')::uuid THEN
        RAISE EXCEPTION 'the transaction does not name this tenant' USING ERRCODE = 'insufficient_privilege';
      END IF;
      IF p_customer_profile_id IS NOT NULL THEN  -- every id of the person
        SELECT ARRAY(SELECT p.id FROM {{schema}}.customer_profiles p
                      WHERE p.tenant_id = p_tenant_id AND p.merged_into_id = named.root) || named.root INTO v_profiles
          FROM (SELECT coalesce(p.merged_into_id, p.id) AS root FROM {{schema}}.customer_profiles p
                 WHERE p.tenant_id = p_tenant_id AND p.id = p_customer_profile_id) named;
      END IF;
      SELECT e.language INTO v_language
        FROM {{schema}}.episodes e
       WHERE e.tenant_id = p_tenant_id AND e.agent_id = p_agent_id
       ORDER BY e.language LIMIT 1;
      WHILE v_language IS NOT NULL LOOP
        IF p_languages IS NULL OR v_language = ANY (p_languages) THEN
          v_query := websearch_to_tsquery(v_language::regconfig, p_text);
          IF querytree(v_query) NOT IN ('', 'T') THEN  -- or it would be met without a word
            RETURN QUERY
              SELECT e.id, ts_rank(e.content_tsv, v_query)
                FROM {{schema}}.episodes e
               WHERE e.tenant_id = p_tenant_id AND e.agent_id = p_agent_id
                 AND e.language = v_language AND e.content_tsv @@ v_query
                 AND (p_only_agent_id IS NULL OR e.agent_id = p_only_agent_id)
                 AND (p_customer_profile_id IS NULL OR e.customer_profile_id = ANY (v_profiles))
                 AND (p_group_id IS NULL OR e.group_id = p_group_id)
                 AND (p_session_id IS NULL OR e.session_id = p_session_id)
                 AND (p_content_types IS NULL OR e.content_type = ANY (p_content_types))
                 AND (p_sources IS NULL OR e.source = ANY (p_sources))
                 AND (p_occurred_from IS NULL OR e.occurred_at >= p_occurred_from)
                 AND (p_occurred_to IS NULL OR e.occurred_at < p_occurred_to)
                 AND (p_as_of IS NULL OR e.valid_from <= p_as_of AND (e.valid_to IS NULL OR e.valid_to > p_as_of))
                 AND (p_min_importance IS NULL OR e.importance >= p_min_importance)
               ORDER BY 2 DESC, 1
               LIMIT p_limit;
          END IF;
        END IF;
        SELECT e.language INTO v_language
          FROM {{schema}}.episodes e
         WHERE e.tenant_id = p_tenant_id AND e.agent_id = p_agent_id AND e.language > v_language
         ORDER BY e.language LIMIT 1;
      END LOOP;
    END $$
    """,  # noqa: S608  (nothing in it is a value)
)
"""Ids and ranks of the agent's episodes that hold what ``text`` asks for, in any order, each language cut at ``limit``."""
