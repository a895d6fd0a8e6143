//! The coding agents that clients know, with what each can do: the table of sandbox-agent 0.4.2, as its daemon answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::credentials::Needs;

/// A coding agent that clients know.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: &'static str,
    /// What its program is called; `None` where it has none of its own.
    pub(super) program: Option<&'static str>,
    pub(super) needs: Needs,
    pub(super) capabilities: Capabilities,
}

/// What an agent can do in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Capabilities {
    pub(super) plan_mode: bool,
    pub(super) permissions: bool,
    pub(super) questions: bool,
    pub(super) tool_calls: bool,
    pub(super) tool_results: bool,
    pub(super) text_messages: bool,
    pub(super) images: bool,
    pub(super) file_attachments: bool,
    pub(super) session_lifecycle: bool,
    pub(super) error_events: bool,
    pub(super) reasoning: bool,
    pub(super) status: bool,
    pub(super) command_execution: bool,
    pub(super) file_changes: bool,
    pub(super) mcp_tools: bool,
    pub(super) streaming_deltas: bool,
    pub(super) item_started: bool,
    /// Whether its sessions share a process. The reference says of none that they do; here it is true of those that
    /// are configured to run as one.
    pub(super) shared_process: bool,
}

impl Capabilities {
    pub(super) const NONE: Capabilities = Capabilities {
        plan_mode: false,
        permissions: false,
        questions: false,
        tool_calls: false,
        tool_results: false,
        text_messages: false,
        images: false,
        file_attachments: false,
        session_lifecycle: false,
        error_events: false,
        reasoning: false,
        status: false,
        command_execution: false,
        file_changes: false,
        mcp_tools: false,
        streaming_deltas: false,
        item_started: false,
        shared_process: false,
    };
    /// Every known one has these.
    const COMMON: Capabilities =
        Capabilities { tool_calls: true, tool_results: true, text_messages: true, ..Capabilities::NONE };
    const PI: Capabilities = Capabilities {
        images: true,
        session_lifecycle: true,
        error_events: true,
        streaming_deltas: true,
        item_started: true,
        ..Capabilities::COMMON
    };
    const MOCK: Capabilities = Capabilities {
        plan_mode: true,
        permissions: true,
        questions: true,
        file_attachments: true,
        reasoning: true,
        status: true,
        command_execution: true,
        file_changes: true,
        mcp_tools: true,
        ..Capabilities::PI
    };
}

/// In the order of the reference's list.
pub(super) const KNOWN: [Known; 7] = [
    Known {
        id: "claude",
        program: Some("claude"),
        needs: Needs::Anthropic,
        capabilities: Capabilities {
            permissions: true,
            questions: true,
            mcp_tools: true,
            streaming_deltas: true,
            ..Capabilities::COMMON
        },
    },
    Known {
        id: "codex",
        program: Some("codex"),
        needs: Needs::OpenAi,
        capabilities: Capabilities { questions: false, ..Capabilities::MOCK },
    },
    Known {
        id: "opencode",
        program: Some("opencode"),
        needs: Needs::Either,
        capabilities: Capabilities { file_attachments: true, mcp_tools: true, ..Capabilities::PI },
    },
    Known {
        id: "amp",
        program: Some("amp"),
        needs: Needs::Amp,
        capabilities: Capabilities { error_events: true, mcp_tools: true, ..Capabilities::COMMON },
    },
    Known { id: "pi", program: Some("pi"), needs: Needs::Nothing, capabilities: Capabilities::PI },
    Known {
        id: "cursor",
        program: Some("cursor-agent"),
        needs: Needs::Nothing,
        capabilities: Capabilities { plan_mode: true, permissions: true, ..Capabilities::PI },
    },
    Known { id: "mock", program: None, needs: Needs::Nothing, capabilities: Capabilities::MOCK },
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The names that are true in the daemon's own answer of `GET /v1/agents`, sandbox-agent 0.4.2.
    const REFERENCE: [(&str, &str); 7] = [
        ("claude", "mcpTools permissions questions streamingDeltas textMessages toolCalls toolResults"),
        (
            "codex",
            "commandExecution errorEvents fileAttachments fileChanges images itemStarted mcpTools permissions planMode \
             reasoning sessionLifecycle status streamingDeltas textMessages toolCalls toolResults",
        ),
        (
            "opencode",
            "errorEvents fileAttachments images itemStarted mcpTools sessionLifecycle streamingDeltas textMessages \
             toolCalls toolResults",
        ),
        ("amp", "errorEvents mcpTools textMessages toolCalls toolResults"),
        ("pi", "errorEvents images itemStarted sessionLifecycle streamingDeltas textMessages toolCalls toolResults"),
        (
            "cursor",
            "errorEvents images itemStarted permissions planMode sessionLifecycle streamingDeltas textMessages \
             toolCalls toolResults",
        ),
        (
            "mock",
            "commandExecution errorEvents fileAttachments fileChanges images itemStarted mcpTools permissions planMode \
             questions reasoning sessionLifecycle status streamingDeltas textMessages toolCalls toolResults",
        ),
    ];

    #[test]
    fn the_table_is_the_reference_s() {
        for (known, (id, names)) in KNOWN.iter().zip(REFERENCE) {
            assert_eq!(known.id, id);
            let Value::Object(capabilities) = serde_json::to_value(known.capabilities).unwrap() else { panic!() };
            assert_eq!(capabilities.len(), 18);
            let mut held: Vec<&str> =
                capabilities.iter().filter(|(_, held)| **held == true).map(|(name, _)| name.as_str()).collect();
            held.sort_unstable();
            assert_eq!(held.join(" "), names, "{id}");
        }
    }
}
