-- The journal: what happened on calls, oldest first. Everything below is derived from it, in the same
-- transaction. Words are in it only where transcripts are kept.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    call    TEXT NOT NULL,
    unix_ms INTEGER NOT NULL,
    call_ms INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    body    TEXT NOT NULL
) STRICT;
CREATE INDEX events_call ON events (call, seq);
CREATE INDEX events_time ON events (unix_ms);

CREATE TABLE calls (
    id              TEXT PRIMARY KEY,
    transport       TEXT NOT NULL,
    carrier_call    TEXT,
    direction       TEXT NOT NULL,
    agent           TEXT NOT NULL,
    campaign        TEXT NOT NULL DEFAULT '',
    customer        TEXT,
    caller_hash     TEXT,
    language        TEXT,
    state           TEXT NOT NULL,
    cause           TEXT,
    started_ms      INTEGER NOT NULL,
    connected_ms    INTEGER,
    ended_ms        INTEGER,
    duration_ms     INTEGER,
    turns           INTEGER NOT NULL DEFAULT 0,
    cost_millipaise INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX calls_started ON calls (started_ms, id);
CREATE INDEX calls_state ON calls (state, started_ms, id);
CREATE INDEX calls_agent ON calls (agent, started_ms, id);
CREATE INDEX calls_campaign ON calls (campaign, started_ms, id) WHERE campaign <> '';
CREATE INDEX calls_caller ON calls (caller_hash, started_ms) WHERE caller_hash IS NOT NULL;
CREATE INDEX calls_customer ON calls (customer, started_ms) WHERE customer IS NOT NULL;
CREATE INDEX calls_carrier ON calls (carrier_call) WHERE carrier_call IS NOT NULL;
CREATE INDEX calls_live ON calls (started_ms) WHERE ended_ms IS NULL;

-- The life cycle of each call, step by step.
CREATE TABLE call_status_updates (
    call       TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    unix_ms    INTEGER NOT NULL,
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (call, seq)
) STRICT, WITHOUT ROWID;

-- How each turn was answered, and where its time went. The words are in the journal.
CREATE TABLE turns (
    call          TEXT NOT NULL,
    turn          INTEGER NOT NULL,
    unix_ms       INTEGER NOT NULL,
    language      TEXT NOT NULL,
    intent        TEXT,
    way           TEXT NOT NULL,
    first_frame_ms INTEGER,
    waterfall     TEXT NOT NULL,
    PRIMARY KEY (call, turn)
) STRICT, WITHOUT ROWID;

-- Sums of ended calls by the site's calendar, for dashboards: counting a million calls takes too long.
-- Each call is added to the sums of all calls, of its agent, of its campaign and of both ('' is all),
-- and there once to each table a dashboard shows: `by` is the table, `name` its line.
CREATE TABLE call_sums (
    agent           TEXT NOT NULL,
    campaign        TEXT NOT NULL,
    by              TEXT NOT NULL CHECK (by IN ('all', 'agent', 'campaign', 'language', 'direction', 'cause')),
    day             INTEGER NOT NULL,
    name            TEXT NOT NULL,
    calls           INTEGER NOT NULL,
    connected       INTEGER NOT NULL,
    completed       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    not_picked      INTEGER NOT NULL,
    duration_ms     INTEGER NOT NULL,
    turns           INTEGER NOT NULL,
    cost_millipaise INTEGER NOT NULL,
    PRIMARY KEY (agent, campaign, by, day, name)
) STRICT, WITHOUT ROWID;

-- Callers who asked to be called back, until somebody has called.
CREATE TABLE callbacks (
    id         TEXT PRIMARY KEY,
    phone      TEXT NOT NULL,
    phone_hash TEXT NOT NULL,
    agent      TEXT NOT NULL,
    language   TEXT NOT NULL,
    asked_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX callbacks_asked ON callbacks (asked_ms, id);
CREATE INDEX callbacks_phone ON callbacks (phone_hash);
