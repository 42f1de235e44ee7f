//! Everything that is kept of a tenant, as lines, so that it can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use vaani::base::Clock;
use vaani::store::crypt::MasterKey;
use vaani::store::{StoreError, Vault};

/// What is written although nobody of the tenant asks: the audit log, its signed heads, and the
/// answers that are kept for requests that come again.
const NOT_LOOKED_AT: [&str; 4] = ["audit", "audit_heads", "audit_cuts", "idempotency"];

/// By table.
pub(super) type Dump = BTreeMap<String, Vec<String>>;

fn rows(db: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n));
        found.push(format!("{:?}", cells.collect::<Result<Vec<_>, _>>()?));
    }
    found.sort();
    Ok(found)
}

/// Of a tenant's own database, and of the system's what belongs to the tenant. The daemon may be running.
pub(super) fn of(state: &Path, tenant: &str) -> Dump {
    let vault = Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap();
    let db = vault.tenant(&tenant.parse().unwrap()).unwrap();
    let tables = |db: &Connection| -> Result<Vec<String>, StoreError> {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        Ok(db.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    };
    let mut dump = db
        .read_blocking(|db| {
            let tables = tables(db)?.into_iter().filter(|name| !NOT_LOOKED_AT.contains(&name.as_str()));
            tables
                .map(|name| Ok((name.clone(), rows(db, &format!("SELECT * FROM {name}"))?)))
                .collect::<Result<Dump, _>>()
        })
        .unwrap();
    let of_system = [
        ("system tenants", format!("SELECT * FROM tenants WHERE id = '{tenant}'")),
        ("system users", format!("SELECT * FROM users WHERE tenant = '{tenant}'")),
        ("system keys", format!("SELECT * FROM api_keys WHERE tenant = '{tenant}'")),
        ("system tokens", format!("SELECT * FROM tokens WHERE tenant = '{tenant}'")),
        (
            "system sessions",
            format!("SELECT * FROM sessions WHERE user IN (SELECT id FROM users WHERE tenant = '{tenant}')"),
        ),
    ];
    for (name, sql) in of_system {
        let found = vault.system().read_blocking(|db| rows(db, &sql)).unwrap();
        assert!(!found.is_empty(), "nothing was planted: {name}");
        dump.insert(name.to_owned(), found);
    }
    vault.close();
    dump
}
