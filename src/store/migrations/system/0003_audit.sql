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

-- Heads of chains, signed with the box's key. The system's database also keeps the tenants', so that
-- a tenant's file alone cannot be turned back.
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
-- Heads of entries that were cut prove nothing any more; the tenants' are theirs to prove.
CREATE TRIGGER audit_heads_are_never_deleted BEFORE DELETE ON audit_heads
WHEN OLD.chain <> 'system' OR OLD.seq >= (SELECT coalesce(max(seq), 0) FROM audit_cuts)
BEGIN SELECT RAISE(ABORT, 'signed heads are never deleted'); END;
CREATE TRIGGER audit_cuts_are_never_changed BEFORE UPDATE ON audit_cuts
BEGIN SELECT RAISE(ABORT, 'signed cuts are never changed'); END;
CREATE TRIGGER audit_cuts_are_never_deleted BEFORE DELETE ON audit_cuts
BEGIN SELECT RAISE(ABORT, 'signed cuts are never deleted'); END;
