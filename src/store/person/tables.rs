//! Every table of a tenant's database, with every column: who adds one says here whom it knows.

use super::{About, Erase, Table};

const fn nobody(name: &'static str, why: &'static str, columns: &'static [&'static str]) -> Table {
    Table { name, columns, about: About::Nobody(why) }
}

const fn person(
    name: &'static str,
    find: &'static str,
    order: &'static str,
    erase: Erase,
    columns: &'static [&'static str],
) -> Table {
    Table { name, columns, about: About::Person { find, scan: None, order, erase } }
}

const OF_CALL: &str = "call IN (SELECT value FROM json_each(:calls))";
const OF_NUMBER: &str = "phone_hash IN (SELECT value FROM json_each(:hashes))";

/// In the order in which a person is told of them and erased from them.
pub const TABLES: &[Table] = &[
    person(
        "customers",
        "id IN (SELECT value FROM json_each(:customers))",
        "id",
        Erase::Delete,
        &[
            "id", "external_id", "name", "phone", "phone_hash", "state", "district", "language", "loan_id",
            "loan_type", "amount_paise", "outstanding_paise", "due_date", "status", "owner", "pool", "priority",
            "callback_at_ms", "next_action", "comments", "custom", "upload_id", "last_call_id", "last_call_at_ms",
            "created_ms", "updated_ms", "version",
        ],
    ),
    person(
        "callbacks",
        OF_NUMBER,
        "id",
        Erase::Delete,
        &["id", "phone", "phone_hash", "agent", "language", "asked_ms"],
    ),
    person(
        "calls",
        "id IN (SELECT value FROM json_each(:calls))",
        "id",
        Erase::WithCall,
        &[
            "id", "transport", "carrier_call", "direction", "agent", "campaign", "customer", "caller_hash", "language",
            "state", "cause", "started_ms", "connected_ms", "ended_ms", "duration_ms", "turns", "cost_millipaise",
        ],
    ),
    person(
        "call_status_updates",
        OF_CALL,
        "call, seq",
        Erase::WithCall,
        &["call", "seq", "unix_ms", "from_state", "to_state"],
    ),
    person(
        "turns",
        OF_CALL,
        "call, turn",
        Erase::WithCall,
        &["call", "turn", "unix_ms", "language", "intent", "way", "first_frame_ms", "waterfall"],
    ),
    person("events", OF_CALL, "call, seq", Erase::WithCall, &["seq", "call", "unix_ms", "call_ms", "kind", "body"]),
    person("media", OF_CALL, "call, name", Erase::WithCall, &["name", "call", "kind", "bytes", "made_ms"]),
    person(
        "outbox",
        "about <> '' AND about IN (SELECT value FROM json_each(:calls))",
        "id",
        Erase::Delete,
        &[
            "id", "endpoint", "sequence", "event_type", "about", "body", "created_ms", "queued_ms", "state", "attempts",
            "replays", "next_ms", "settled_ms", "status", "error",
        ],
    ),
    Table {
        name: "upload_rejects",
        columns: &["upload_id", "number", "line", "field", "reason", "advice", "cells"],
        about: About::Person {
            find: "(upload_id, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:scanned))",
            scan: Some((
                "json_array(upload_id, number)",
                "EXISTS (SELECT 1 FROM json_each(:needles) WHERE instr(cells, value)
                    OR instr(replace(replace(replace(cells, ' ', ''), '-', ''), '.', ''), value))",
            )),
            order: "upload_id, number",
            erase: Erase::Delete,
        },
    },
    Table {
        name: "idempotency",
        columns: &["who", "key", "request", "boot", "status", "headers", "body", "at_ms"],
        about: About::Person {
            find: "(who, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:scanned))",
            scan: Some((
                "json_array(who, key)",
                "EXISTS (SELECT 1 FROM json_each(:needles)
                    WHERE instr(CAST(body AS TEXT), value) OR instr(headers, value))",
            )),
            order: "who, key",
            erase: Erase::Delete,
        },
    },
    person(
        "consents",
        OF_NUMBER,
        "at_ms, id",
        Erase::Keep("proof of consent and of its withdrawal (DPDP Act s. 6(10)); by keyed hash only"),
        &[
            "id", "phone_hash", "purpose", "channel", "status", "explicit", "at_ms", "expires_ms", "call",
            "call_offset_ms", "notice", "language", "noted_by", "noted_ms",
        ],
    ),
    person(
        "dnd",
        "list IN (SELECT number FROM dnd_lists WHERE state = 'active')
            AND phone_hash IN (SELECT value FROM json_each(:hashes))",
        "list",
        Erase::Keep("so that the person is not called again; by keyed hash only"),
        &[
            "list", "phone_hash", "categories", "valid_until_ms", "since_ms", "call", "noted_by", "reason",
            "removed_ms", "removed_by", "removed_reason",
        ],
    ),
    person(
        "retained",
        "class = 'calls' AND row IN (SELECT value FROM json_each(:calls))",
        "row",
        Erase::Keep("says what law keeps, and until when"),
        &["class", "row", "reason", "until_ms", "erasure"],
    ),
    person(
        "erasures",
        "subject IN (SELECT value FROM json_each(:hashes) UNION ALL SELECT value FROM json_each(:customers))",
        "at_ms, id",
        Erase::Keep("proof of the erasure; by keyed hash only"),
        &["id", "subject", "at_ms", "noted_by", "gone", "kept"],
    ),
    nobody(
        "calls_daily",
        "sums of many calls",
        &[
            "day", "agent", "campaign", "language", "direction", "outcome", "cause", "calls", "connected",
            "duration_ms", "turns", "cost_millipaise",
        ],
    ),
    nobody(
        "uploads",
        "a file as a whole; the box's own people",
        &[
            "id", "file_name", "sha256", "bytes", "format", "who", "status", "rows_total", "rows_ok", "rows_rejected",
            "detail", "started_ms", "finished_ms",
        ],
    ),
    nobody(
        "documents",
        "agents, flows, prompts and policies",
        &["kind", "name", "active", "latest", "version", "updated_ms"],
    ),
    nobody(
        "document_versions",
        "agents, flows, prompts and policies; the box's own people",
        &["kind", "name", "number", "content", "sha256", "who", "note", "at_ms"],
    ),
    nobody(
        "webhook_endpoints",
        "other systems",
        &[
            "id", "url", "about", "events", "numbers", "ordered", "enabled", "disabled_why", "secret", "old_secret",
            "old_secret_until_ms", "removed_ms", "version", "created_ms", "updated_ms",
        ],
    ),
    nobody(
        "webhook_lanes",
        "other systems",
        &[
            "endpoint", "next_sequence", "waiting", "dead", "failures", "failing_since_ms", "open_until_ms",
            "delivered_ms",
        ],
    ),
    nobody(
        "dnd_lists",
        "a list as a whole; the box's own people",
        &[
            "number", "name", "kind", "state", "made_ms", "touched_ms", "valid_until_ms", "made_by", "lines",
            "accepted", "duplicates", "allowed", "rejected", "why",
        ],
    ),
    nobody("dnd_rejects", "numbers of lines and reasons, never what was in a line", &["list", "line", "reason"]),
    nobody(
        "holds",
        "proceedings; by id and keyed hash only",
        &[
            "id", "scope", "about", "reason", "placed_by", "placed_ms", "until_ms", "lifted_by", "lifted_ms",
            "lifted_reason",
        ],
    ),
    nobody("media_gone", "names of objects that are being removed", &["name", "since_ms"]),
    nobody(
        "audit",
        "the box's own people; others by id and keyed hash only",
        &[
            "seq", "at_ms", "who_kind", "who_id", "who_name", "who_role", "address", "what", "about", "detail",
            "previous", "hash",
        ],
    ),
    nobody("audit_heads", "hashes and signatures", &["chain", "seq", "hash", "at_ms", "signature"]),
    nobody("audit_cuts", "hashes and signatures", &["seq", "hash", "at_ms", "signature"]),
];
