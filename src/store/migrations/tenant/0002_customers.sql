-- Whom the box calls, where the lists came from, what agents are made of, and answers given before.

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    -- '' where the list had none, so that (phone, external_id) stays unique.
    external_id TEXT NOT NULL DEFAULT '',
    name TEXT NOT NULL,
    phone TEXT NOT NULL,
    phone_hash TEXT NOT NULL,
    state TEXT,
    district TEXT,
    language TEXT,
    loan_id TEXT,
    loan_type TEXT,
    amount_paise INTEGER,
    outstanding_paise INTEGER,
    due_date TEXT,
    status TEXT NOT NULL DEFAULT 'ready',
    owner TEXT,
    pool TEXT,
    priority INTEGER NOT NULL DEFAULT 5,
    callback_at_ms INTEGER,
    next_action TEXT,
    comments TEXT,
    custom TEXT NOT NULL DEFAULT '{}',
    upload_id TEXT,
    last_call_id TEXT,
    last_call_at_ms INTEGER,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    UNIQUE (phone, external_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX customers_by_phone_hash ON customers (phone_hash, id);
CREATE INDEX customers_by_external_id ON customers (external_id, id) WHERE external_id <> '';
CREATE INDEX customers_by_loan ON customers (loan_id, id) WHERE loan_id IS NOT NULL;
CREATE INDEX customers_by_status ON customers (status, id);
CREATE INDEX customers_by_owner ON customers (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX customers_by_pool ON customers (pool, id) WHERE pool IS NOT NULL;
CREATE INDEX customers_by_pool_status ON customers (pool, status, id) WHERE pool IS NOT NULL;
CREATE INDEX customers_by_state ON customers (state, id) WHERE state IS NOT NULL;
CREATE INDEX customers_by_callback ON customers (callback_at_ms, id) WHERE callback_at_ms IS NOT NULL;
CREATE INDEX customers_by_upload ON customers (upload_id, id) WHERE upload_id IS NOT NULL;

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    file_name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    who TEXT NOT NULL,
    -- writing: its customers are not there yet; done; dry_run; failed: nothing of it was kept.
    status TEXT NOT NULL CHECK (status IN ('writing', 'done', 'dry_run', 'failed')),
    rows_total INTEGER NOT NULL DEFAULT 0,
    rows_ok INTEGER NOT NULL DEFAULT 0,
    rows_rejected INTEGER NOT NULL DEFAULT 0,
    detail TEXT NOT NULL DEFAULT '',
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX uploads_writing ON uploads (id) WHERE status = 'writing';

CREATE TABLE upload_rejects (
    upload_id TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    field TEXT NOT NULL,
    reason TEXT NOT NULL,
    advice TEXT NOT NULL,
    cells TEXT NOT NULL,
    PRIMARY KEY (upload_id, number)
) STRICT, WITHOUT ROWID;

-- Customers of a list that is still being written are not there for anybody: one change of its
-- status brings in the whole list, and a list that a power cut stopped never appears.
CREATE VIEW customers_there AS
    SELECT c.* FROM customers c
    WHERE c.upload_id IS NULL
        OR NOT EXISTS (SELECT 1 FROM uploads u WHERE u.id = c.upload_id AND u.status = 'writing');

CREATE TABLE documents (
    kind TEXT NOT NULL CHECK (kind IN ('agent', 'flow', 'prompt', 'policy')),
    name TEXT NOT NULL,
    -- 0: none is in use.
    active INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    -- Counts every change, of the content or of what is active.
    version INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE document_versions (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    who TEXT NOT NULL,
    note TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, name, number),
    FOREIGN KEY (kind, name) REFERENCES documents (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER document_versions_stay BEFORE UPDATE ON document_versions
BEGIN
    SELECT RAISE(ABORT, 'versions of documents are never changed');
END;

CREATE TABLE idempotency (
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of method, path and body.
    request TEXT NOT NULL,
    -- Of the process that is, or was, at it.
    boot TEXT NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (at_ms);
