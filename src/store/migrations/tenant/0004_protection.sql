-- Who did what, as a chain: each entry's hash covers the one before it. Numbers run from 1 without
-- gaps. The oldest entries may go once a signed cut says up to where; nothing is ever changed.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY CHECK (seq > 0),
    at_ms    INTEGER NOT NULL,
    who_kind TEXT NOT NULL,
    who_id   TEXT NOT NULL,
    who_name TEXT NOT NULL,
    who_role TEXT NOT NULL,
    address  TEXT NOT NULL,
    what     TEXT NOT NULL,
    about    TEXT NOT NULL,
    detail   TEXT NOT NULL,
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_by_time ON audit (at_ms);
CREATE INDEX audit_by_what ON audit (what, seq);
CREATE INDEX audit_by_who ON audit (who_id, seq);
CREATE INDEX audit_by_about ON audit (about, seq);

-- Heads of this chain, signed with the box's key; the system's database keeps a copy.
CREATE TABLE audit_heads (
    chain     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    at_ms     INTEGER NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (chain, seq)
) STRICT, WITHOUT ROWID;

-- Up to and with `seq` the entries are gone because their time was over.
CREATE TABLE audit_cuts (
    seq       INTEGER PRIMARY KEY CHECK (seq > 0),
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    at_ms     INTEGER NOT NULL,
    signature BLOB NOT NULL CHECK (length(signature) = 64)
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_cuts)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_heads_are_never_changed BEFORE UPDATE ON audit_heads
BEGIN SELECT RAISE(ABORT, 'signed heads are never changed'); END;
-- Heads of entries that were cut prove nothing any more.
CREATE TRIGGER audit_heads_are_never_deleted BEFORE DELETE ON audit_heads
WHEN OLD.seq >= (SELECT coalesce(max(seq), 0) FROM audit_cuts)
BEGIN SELECT RAISE(ABORT, 'signed heads are never deleted'); END;
CREATE TRIGGER audit_cuts_are_never_changed BEFORE UPDATE ON audit_cuts
BEGIN SELECT RAISE(ABORT, 'signed cuts are never changed'); END;
CREATE TRIGGER audit_cuts_are_never_deleted BEFORE DELETE ON audit_cuts
BEGIN SELECT RAISE(ABORT, 'signed cuts are never deleted'); END;

-- What people agreed to and took back, as a ledger: a change is a new row, the newest counts. Numbers
-- only as keyed hashes, so that the proof can outlive the person's data.
CREATE TABLE consents (
    id            TEXT PRIMARY KEY,
    phone_hash    TEXT NOT NULL,
    purpose       TEXT NOT NULL,
    channel       TEXT NOT NULL,
    status        TEXT NOT NULL CHECK (status IN ('given', 'withdrawn')),
    explicit      INTEGER NOT NULL CHECK (explicit IN (0, 1)),
    at_ms         INTEGER NOT NULL,
    expires_ms    INTEGER,
    call          TEXT,
    call_offset_ms INTEGER,
    notice        TEXT NOT NULL DEFAULT '',
    language      TEXT NOT NULL DEFAULT '',
    noted_by      TEXT NOT NULL,
    noted_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX consents_of_number ON consents (phone_hash, purpose, at_ms, id);
CREATE INDEX consents_noted ON consents (noted_ms, id);
CREATE TRIGGER consents_are_never_changed BEFORE UPDATE ON consents
BEGIN SELECT RAISE(ABORT, 'the consent ledger is append-only'); END;
CREATE VIEW consents_now AS
SELECT * FROM consents AS c WHERE NOT EXISTS (
    SELECT 1 FROM consents AS l
    WHERE l.phone_hash = c.phone_hash AND l.purpose = c.purpose AND (l.at_ms, l.status, l.id) > (c.at_ms, c.status, c.id)
);

-- Lists of numbers that must not be called. An import is written as a list of its own and becomes
-- active in one step, in the place of the older list of its name.
CREATE TABLE dnd_lists (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL,
    -- 'register': of the operators, binds advertising and service calls; 'own': binds every call.
    kind           TEXT NOT NULL CHECK (kind IN ('register', 'own')),
    state          TEXT NOT NULL CHECK (state IN ('staging', 'active', 'replaced', 'failed')),
    made_ms        INTEGER NOT NULL,
    touched_ms     INTEGER NOT NULL,
    valid_until_ms INTEGER,
    made_by        TEXT NOT NULL,
    lines          INTEGER NOT NULL DEFAULT 0,
    accepted       INTEGER NOT NULL DEFAULT 0,
    duplicates     INTEGER NOT NULL DEFAULT 0,
    allowed        INTEGER NOT NULL DEFAULT 0,
    rejected       INTEGER NOT NULL DEFAULT 0,
    why            TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX dnd_active ON dnd_lists (name) WHERE state = 'active';
INSERT INTO dnd_lists (number, name, kind, state, made_ms, touched_ms, made_by) VALUES
    (1, 'opt-outs', 'own', 'active', 0, 0, 'vaani'),
    (2, 'by-hand', 'own', 'active', 0, 0, 'vaani');

-- One number of a list. `categories`: bit 0 everything, bits 1 to 8 the categories of the register.
CREATE TABLE dnd (
    list           INTEGER NOT NULL,
    phone_hash     TEXT NOT NULL,
    categories     INTEGER NOT NULL CHECK (categories > 0),
    valid_until_ms INTEGER,
    since_ms       INTEGER,
    call           TEXT,
    noted_by       TEXT,
    reason         TEXT,
    removed_ms     INTEGER,
    removed_by     TEXT,
    removed_reason TEXT,
    PRIMARY KEY (list, phone_hash)
) STRICT, WITHOUT ROWID;

-- Lines of an import that were not understood. Never what was in them.
CREATE TABLE dnd_rejects (
    list   INTEGER NOT NULL,
    line   INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (list, line)
) STRICT, WITHOUT ROWID;

-- Legal holds: nothing of what they cover is deleted, by age or by wish, until they are lifted.
CREATE TABLE holds (
    id            TEXT PRIMARY KEY,
    scope         TEXT NOT NULL CHECK (scope IN ('tenant', 'person', 'customer', 'call')),
    about         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    placed_by     TEXT NOT NULL,
    placed_ms     INTEGER NOT NULL,
    until_ms      INTEGER,
    lifted_by     TEXT,
    lifted_ms     INTEGER,
    lifted_reason TEXT
) STRICT;
CREATE INDEX holds_in_force ON holds (scope, about) WHERE lifted_ms IS NULL;
CREATE INDEX holds_placed ON holds (placed_ms, id);

-- Objects outside the database that belong to calls: recordings, transcripts, profiles.
CREATE TABLE media (
    name    TEXT PRIMARY KEY,
    call    TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('recording', 'transcript', 'profile')),
    bytes   INTEGER NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX media_of_call ON media (call, name);
CREATE INDEX media_made ON media (made_ms, name);
-- Objects whose rows are gone and which are still to be removed from where they lie.
CREATE TABLE media_gone (
    name     TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows about an erased person that law obliges to keep, why and until when.
CREATE TABLE retained (
    class    TEXT NOT NULL,
    row      TEXT NOT NULL,
    reason   TEXT NOT NULL,
    until_ms INTEGER,
    erasure  TEXT NOT NULL,
    PRIMARY KEY (class, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX retained_until ON retained (until_ms) WHERE until_ms IS NOT NULL;

-- Receipts of erasures. `subject` is a keyed hash.
CREATE TABLE erasures (
    id       TEXT PRIMARY KEY,
    subject  TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    noted_by TEXT NOT NULL,
    gone     TEXT NOT NULL,
    kept     TEXT NOT NULL
) STRICT;
CREATE INDEX erasures_of ON erasures (subject, at_ms);

-- What is left to do for whoever deletes by age: words in the journal, and nothing else.
CREATE INDEX events_with_words ON events (unix_ms, seq)
WHERE kind IN ('heard', 'said') AND json_extract(body, '$.text') <> '';
