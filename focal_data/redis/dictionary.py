"""What every session's JSON is made of, for the deflating of format 2: a fifth off a long session, half off a short one.

Frozen: what was deflated with it can be read only with it. A better one is another format. What is likeliest comes
last, since a short distance back takes the fewest bits.
"""

from __future__ import annotations

from typing import Final

_TIME: Final = b"2026-01-01T00:00:00.000000Z"

DICTIONARY: Final = b"".join(
    (
        b'"voice""email""slack""whatsapp""api""webchat""closed""interrupted""processing""idle""active"',
        b'"pending_migration":{"target_version":,"anchor_content_hash":"","migration_plan_id":"","marked_at":"',
        b'"},"scenario_checksum":"","rule_last_fire_turn":{"":1,"":2},',
        b'"variables":{"":"","":null,"":true,"":false,"":0},"variable_updated_at":{"":"',
        _TIME,
        b'",""},"turn_count":0,"status":"active","pending_migration":null,"scenario_checksum":null,"created_at":"',
        _TIME,
        b'","last_activity_at":"',
        _TIME,
        b'","revision":1}{"session_id":"01a","tenant_id":"","agent_id":"01a","channel":"webchat","channel_user_id":"",',
        b'"customer_profile_id":null,"config_version":1,"active_scenario_id":null,"active_step_id":null,',
        b'"active_scenario_version":null,"step_history":[],"relocalization_count":0,"rule_fires":{},',
        b'"rule_last_fire_turn":{},"variables":{},"variable_updated_at":{},"customer_profile_id":"01a',
        b'","active_scenario_id":"01a","active_step_id":"01a","active_scenario_version":1,"step_history":[{"step_id":"01a',
        b'","step_name":null,"entered_at":"',
        _TIME,
        b'","turn_number":0,"transition_reason":null,"confidence":1.0,"is_checkpoint":false,',
        b'"checkpoint_description":null,"step_content_hash":null},{"step_id":"01a","step_name":"","entered_at":"',
        _TIME,
        b'","turn_number":1,"transition_reason":"","confidence":0.9,"is_checkpoint":true,',
        b'"checkpoint_description":"","step_content_hash":"',
    )
)
