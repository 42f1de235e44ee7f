//! Keeping databases in shape: checking, working off the write-ahead log, giving free pages back.
//! Promise: nothing here keeps calls waiting for longer than one small write. All of it waits for the
//! disk and belongs on a thread that may wait. Absent on purpose: when it is done (`ops/upkeep.rs`).

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;
use super::database::Database;
use crate::base::limits;

/// What a check found; empty: all is well.
pub type Faults = Vec<String>;

/// What tidying one database did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tidied {
    /// Free pages given back to the disk.
    pub pages: u64,
    /// Bytes of the write-ahead log afterwards.
    pub wal_bytes: u64,
}

/// Looks at every page of a database that is in use: its seal and how the pages hang together.
pub fn check(db: &Database) -> Result<Faults, StoreError> {
    let connection = db.connection()?;
    let mut faults = rows(&connection, "PRAGMA quick_check")?;
    faults.retain(|row| row != "ok");
    // Reads the file beside the database's own locks: a page that is just being written looks broken
    // once, a broken one looks so every time.
    let broken = rows(&connection, "PRAGMA cipher_integrity_check")?;
    if !broken.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let again = rows(&connection, "PRAGMA cipher_integrity_check")?;
        faults.extend(again.into_iter().filter(|row| broken.contains(row)));
    }
    faults.truncate(limits::CHECK_FAULTS_MAX);
    Ok(faults)
}

/// The thorough check of a database that nobody writes to: every page, every row, every index.
pub(super) fn examine(connection: &Connection) -> Result<Faults, StoreError> {
    let mut faults = rows(connection, "PRAGMA cipher_integrity_check")?;
    faults.extend(rows(connection, "PRAGMA integrity_check(20)")?.into_iter().filter(|row| row != "ok"));
    faults.truncate(limits::CHECK_FAULTS_MAX);
    Ok(faults)
}

fn rows(connection: &Connection, pragma: &str) -> Result<Vec<String>, StoreError> {
    let read = || -> rusqlite::Result<Vec<String>> {
        connection.prepare(pragma)?.query_map([], |row| row.get(0))?.take(limits::CHECK_FAULTS_MAX).collect()
    };
    match read() {
        // A page that cannot be opened is what is looked for, no reason to give up.
        Err(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Ok(vec![error.to_string()])
            }
            _ => Err(error.into()),
        },
        Ok(found) => Ok(found),
    }
}

/// Bytes of the write-ahead log.
pub fn wal_bytes(db: &Database) -> u64 {
    let mut path = db.path().as_os_str().to_owned();
    path.push("-wal");
    std::fs::metadata(Path::new(&path)).map_or(0, |about| about.len())
}

/// Works the write-ahead log off into the database. First without holding up anybody; if that got
/// everything, the file is cut, for which writers wait a moment.
pub fn checkpoint(db: &Database) -> Result<u64, StoreError> {
    let connection = db.connection()?;
    connection.pragma_update(None, "query_only", false)?;
    let work = |how: &str| -> rusqlite::Result<(bool, i64, i64)> {
        connection.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| {
            Ok((row.get::<_, i64>(0)? != 0, row.get(1)?, row.get(2)?))
        })
    };
    let (held_up, pages, done) = work("PASSIVE")?;
    if !held_up && pages == done {
        // A reader in the way is no fault: the next time will do.
        let _ = work("TRUNCATE")?;
    }
    Ok(wal_bytes(db))
}

/// Gives free pages back in small writes and lets SQLite look at its statistics. `go_on` is asked
/// between two of them.
pub fn tidy(db: &Database, go_on: impl Fn() -> bool) -> Result<Tidied, StoreError> {
    let mut tidied = Tidied::default();
    let free = |db: &Connection| -> Result<u64, StoreError> {
        Ok(db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?)
    };
    loop {
        let before = db.read_blocking(free)?;
        if before <= u64::from(limits::VACUUM_LEAVE_PAGES) || !go_on() {
            break;
        }
        let after = db.write_blocking(move |db| {
            let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({})", limits::VACUUM_PAGES))?;
            // One row for each page that moves; the work is done while they are read.
            let mut moved = vacuum.query([])?;
            while moved.next()?.is_some() {}
            free(db)
        })?;
        if after >= before {
            break;
        }
        tidied.pages += before - after;
    }
    db.write_blocking(|db| Ok(db.execute_batch("PRAGMA optimize")?))?;
    tidied.wal_bytes = checkpoint(db)?;
    Ok(tidied)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    const TABLE: &[&str] = &["CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"];

    fn fill(db: &Database, rows: i64) {
        for batch in 0..rows / 500 {
            db.write_blocking(move |db| {
                for n in 0..500 {
                    db.execute("INSERT INTO t VALUES (?1, ?2)", rusqlite::params![batch * 500 + n, "x".repeat(900)])?;
                }
                Ok(())
            })
            .unwrap();
        }
    }

    #[test]
    fn a_sound_database_has_no_faults_and_a_bent_one_has() {
        let db = Database::scratch(TABLE);
        fill(&db, 2_000);
        assert_eq!(check(&db).unwrap(), Faults::new());
        checkpoint(&db).unwrap();
        assert_eq!(check(&db).unwrap(), Faults::new());
        let pages = std::fs::metadata(db.path()).unwrap().len() / 4_096;
        let mut file = std::fs::OpenOptions::new().write(true).open(db.path()).unwrap();
        file.seek(SeekFrom::Start((pages / 2) * 4_096 + 100)).unwrap();
        file.write_all(b"bent").unwrap();
        file.sync_all().unwrap();
        let faults = check(&db).unwrap();
        assert!(!faults.is_empty());
    }

    #[test]
    fn a_long_log_is_worked_off_and_free_pages_are_given_back_while_others_write() {
        let db = Database::scratch(TABLE);
        fill(&db, 10_000);
        assert!(wal_bytes(&db) > 0);
        assert_eq!(checkpoint(&db).unwrap(), 0);
        let before = std::fs::metadata(db.path()).unwrap().len();
        db.write_blocking(|db| Ok(db.execute("DELETE FROM t WHERE n >= 1000", [])?)).unwrap();
        let writing = db.clone();
        let others = std::thread::spawn(move || {
            for n in 0..200 {
                writing
                    .write_blocking(move |db| Ok(db.execute("INSERT INTO t VALUES (?1, 'y')", [100_000 + n])?))
                    .unwrap();
            }
        });
        let tidied = tidy(&db, || true).unwrap();
        others.join().unwrap();
        assert!(tidied.pages > 500, "{tidied:?}");
        checkpoint(&db).unwrap();
        let after = std::fs::metadata(db.path()).unwrap().len();
        assert!(after < before * 2 / 3, "{before} {after}");
        assert_eq!(check(&db).unwrap(), Faults::new());
        assert_eq!(
            db.read_blocking(|db| Ok(db.query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0))?)).unwrap(),
            1_200
        );
        assert_eq!(tidy(&db, || false).unwrap().pages, 0);
    }
}
