-- Who is told of what happens (endpoints), and what is still to be told (outbox).

CREATE TABLE webhook_endpoints (
    id                  TEXT PRIMARY KEY,
    url                 TEXT NOT NULL,
    about               TEXT NOT NULL,
    -- JSON array of public event types; ["*"] is all of them.
    events              TEXT NOT NULL,
    numbers             TEXT NOT NULL CHECK (numbers IN ('hash', 'masked', 'none')),
    ordered             INTEGER NOT NULL CHECK (ordered IN (0, 1)),
    enabled             INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    -- Why the box itself switched it off; empty when a person did, or nobody.
    disabled_why        TEXT NOT NULL DEFAULT '',
    -- whsec_…; the whole file is encrypted.
    secret              TEXT NOT NULL,
    -- Signs as well until then, while the receiver changes its own.
    old_secret          TEXT,
    old_secret_until_ms INTEGER,
    -- Removed by a person; the row goes once its outbox is empty.
    removed_ms          INTEGER,
    version             INTEGER NOT NULL DEFAULT 1,
    created_ms          INTEGER NOT NULL,
    updated_ms          INTEGER NOT NULL
) STRICT;

-- What changes with every delivery, apart from what people edit.
CREATE TABLE webhook_lanes (
    endpoint         TEXT PRIMARY KEY REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    next_sequence    INTEGER NOT NULL DEFAULT 1,
    -- Kept by the triggers below.
    waiting          INTEGER NOT NULL DEFAULT 0,
    dead             INTEGER NOT NULL DEFAULT 0,
    -- The circuit: failures in a row, since when, and until when nothing is sent.
    failures         INTEGER NOT NULL DEFAULT 0,
    failing_since_ms INTEGER,
    open_until_ms    INTEGER,
    delivered_ms     INTEGER
) STRICT;

CREATE TABLE outbox (
    -- The webhook-id: the same over all attempts and replays.
    id         TEXT PRIMARY KEY,
    endpoint   TEXT NOT NULL REFERENCES webhook_endpoints (id),
    -- Place in the endpoint's line; a replay goes to the end of it.
    sequence   INTEGER NOT NULL,
    event_type TEXT NOT NULL,
    -- The call it is about, or empty.
    about      TEXT NOT NULL,
    -- The very bytes that are sent and signed.
    body       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- When it was put into the line (last); its patience counts from here.
    queued_ms  INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    replays    INTEGER NOT NULL DEFAULT 0,
    next_ms    INTEGER NOT NULL,
    settled_ms INTEGER,
    status     INTEGER,
    error      TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE UNIQUE INDEX outbox_line ON outbox (endpoint, sequence) WHERE state = 'waiting';
CREATE INDEX outbox_due ON outbox (endpoint, next_ms) WHERE state = 'waiting';
CREATE INDEX outbox_by_endpoint ON outbox (endpoint, id);
CREATE INDEX outbox_by_state ON outbox (state, id);
CREATE INDEX outbox_about ON outbox (about) WHERE about <> '';

CREATE TRIGGER outbox_in AFTER INSERT ON outbox BEGIN
    UPDATE webhook_lanes
    SET waiting = waiting + (new.state = 'waiting'), dead = dead + (new.state = 'dead')
    WHERE endpoint = new.endpoint;
END;

CREATE TRIGGER outbox_on AFTER UPDATE OF state ON outbox WHEN old.state <> new.state BEGIN
    UPDATE webhook_lanes
    SET waiting = waiting + (new.state = 'waiting') - (old.state = 'waiting'),
        dead = dead + (new.state = 'dead') - (old.state = 'dead')
    WHERE endpoint = new.endpoint;
END;

CREATE TRIGGER outbox_out AFTER DELETE ON outbox BEGIN
    UPDATE webhook_lanes
    SET waiting = waiting - (old.state = 'waiting'), dead = dead - (old.state = 'dead')
    WHERE endpoint = old.endpoint;
END;
