//! The collector `agent-usage` on this machine, held against an independent reading.
