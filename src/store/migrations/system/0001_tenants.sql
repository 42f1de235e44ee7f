-- Customers of the box. A row stays when its tenant is shredded: its name is never given again.
CREATE TABLE tenants (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    shredded_ms INTEGER,
    settings    TEXT NOT NULL DEFAULT '{}',
    version     INTEGER NOT NULL DEFAULT 1
) STRICT;
