-- Who may come in: people, their sessions, keys of programs, tokens, and what is under way.
-- Of every secret only a hash is here; the second factor's is sealed with a key outside this file.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,              -- lower case
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    tenant TEXT,                             -- NULL: the whole box
    password TEXT,                           -- PHC string, argon2id; NULL: none set
    totp_secret BLOB,                        -- sealed
    totp_confirmed INTEGER NOT NULL DEFAULT 0,
    totp_step INTEGER NOT NULL DEFAULT 0,    -- the last time step used; none is used twice
    recovery TEXT NOT NULL DEFAULT '[]',     -- hashes of the codes that are left
    issuer TEXT,                             -- single sign-on: the provider and its name of the person
    subject TEXT,
    reset_hash TEXT,                         -- of the one-time code that sets a password
    reset_until_ms INTEGER,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    login_ms INTEGER,                        -- last seen coming in
    version INTEGER NOT NULL DEFAULT 1,
    CHECK ((issuer IS NULL) = (subject IS NULL))
) STRICT;
CREATE INDEX users_of_tenant ON users (tenant, id);
CREATE UNIQUE INDEX users_of_provider ON users (issuer, subject) WHERE issuer IS NOT NULL;

CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,                   -- of the token in the cookie
    id TEXT NOT NULL UNIQUE,                 -- by which people end it
    user TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    csrf TEXT NOT NULL,
    how TEXT NOT NULL,                       -- password, totp, recovery, oidc, setup, reset
    created_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    idle_until_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user, created_ms);
CREATE INDEX sessions_by_end ON sessions (until_ms);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,                     -- the middle of vaani_<id>_<secret>; shown
    hash TEXT NOT NULL,                      -- sha256 of the secret
    name TEXT NOT NULL,
    tenant TEXT,
    role TEXT NOT NULL,
    scopes TEXT,                             -- JSON list; NULL: all of the role's
    created_by TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    until_ms INTEGER,
    used_ms INTEGER,
    revoked_ms INTEGER
) STRICT;
CREATE INDEX api_keys_of_tenant ON api_keys (tenant, id);

-- Every token that was issued and has not run out: one that is not here is refused.
CREATE TABLE tokens (
    jti TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scopes TEXT,
    issued_by TEXT NOT NULL,                 -- user:…, key:…, box
    created_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;
CREATE INDEX tokens_by_end ON tokens (until_ms);
CREATE INDEX tokens_of_issuer ON tokens (issued_by, until_ms);
CREATE INDEX tokens_of_tenant ON tokens (tenant, jti);

-- The one-time code of the first start; at most one row.
CREATE TABLE setup_code (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    hash TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

-- Logins that are under way at the provider of single sign-on.
CREATE TABLE oidc_logins (
    state_hash TEXT PRIMARY KEY,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    back TEXT NOT NULL,                      -- path to return to
    created_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX oidc_logins_by_age ON oidc_logins (created_ms);
