//! The tables of the system's database and of a tenant's, as steps that are only ever added to.
//! Promise: a step is applied whole or not at all; a database of a newer version is left alone.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// All steps of one kind of database, oldest first.
pub(super) type Schema = &'static [&'static str];

pub(super) const SYSTEM: Schema = &[
    include_str!("migrations/system/0001_tenants.sql"),
    include_str!("migrations/system/0002_access.sql"),
    include_str!("migrations/system/0003_audit.sql"),
];

pub(super) const TENANT: Schema = &[
    include_str!("migrations/tenant/0001_calls.sql"),
    include_str!("migrations/tenant/0002_customers.sql"),
    include_str!("migrations/tenant/0003_delivery.sql"),
    include_str!("migrations/tenant/0004_protection.sql"),
    include_str!("migrations/tenant/0005_recordings.sql"),
];

/// How many steps a database has had.
pub(super) fn version(connection: &Connection) -> Result<usize, StoreError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

pub(super) fn apply(connection: &mut Connection, schema: Schema) -> Result<(), StoreError> {
    // Two processes may open a database at once: whoever is second finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = version(&transaction)?;
    if done > schema.len() {
        return Err(StoreError::Invalid(format!(
            "the database is of a newer vaani (step {done}, this one knows {}); install that version, or restore a backup of this one",
            schema.len()
        )));
    }
    for (number, step) in schema.iter().enumerate().skip(done) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number + 1)?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_applied_once_whole_and_never_backwards() {
        let mut db = Connection::open_in_memory().unwrap();
        const ONE: Schema = &["CREATE TABLE a (x INTEGER) STRICT"];
        const TWO: Schema = &["CREATE TABLE a (x INTEGER) STRICT", "CREATE TABLE b (x INTEGER) STRICT"];
        const BAD: Schema = &[TWO[0], TWO[1], "CREATE TABLE c (x INTEGER) STRICT; CREATE TABLE a (x INTEGER) STRICT"];
        apply(&mut db, ONE).unwrap();
        apply(&mut db, ONE).unwrap();
        apply(&mut db, TWO).unwrap();
        assert!(apply(&mut db, BAD).is_err());
        assert_eq!(version(&db).unwrap(), 2);
        assert!(db.prepare("SELECT * FROM c").is_err(), "half a step is undone");
        let error = apply(&mut db, ONE).unwrap_err().to_string();
        assert!(error.contains("newer vaani"), "{error}");
    }

    #[test]
    fn the_shipped_steps_apply() {
        for schema in [SYSTEM, TENANT] {
            apply(&mut Connection::open_in_memory().unwrap(), schema).unwrap();
        }
    }
}
