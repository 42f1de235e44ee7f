use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use super::*;
use crate::base::TenantId;
use crate::store::StoreError;
use crate::store::crypt::MasterKey;
use crate::store::tiny_disk::TinyDisk;

fn vault(state: &Path) -> Vault {
    Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap()
}

fn upkeep(vault: &Vault) -> (Upkeep, Arc<Mutex<Vec<Notice>>>) {
    let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let telling = Arc::clone(&told);
    let tell: Tell = Arc::new(move |notice| lock(&telling).push(notice));
    (Upkeep::new(vault.clone(), Clock::system(), tell), told)
}

fn default(vault: &Vault) -> Database {
    vault.tenant(&TenantId::default_tenant()).unwrap()
}

/// Ok: acknowledged.
fn note(db: &Database, number: u32) -> Result<(), StoreError> {
    db.write_blocking(move |db| {
        db.execute(
            "INSERT INTO callbacks VALUES (?1, '+919876543210', ?2, 'a', 'hi-IN', 1)",
            rusqlite::params![format!("{number:06}"), "h".repeat(2_000)],
        )?;
        Ok(())
    })
}

fn noted(db: &Database) -> Vec<u32> {
    db.read_blocking(|db| {
        let mut rows = db.prepare("SELECT CAST(id AS INTEGER) FROM callbacks ORDER BY id")?;
        Ok(rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    })
    .unwrap()
}

/// The whole story on a real disk of a few MiB: full, told once, refused clean, room again, all well.
#[test]
fn a_full_disk_is_told_once_costs_nothing_that_was_kept_and_is_got_over_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::new(&dir.path().join("disk"), 6 * 1_024) else { return };
    let state = disk.path().join("state");
    fs::create_dir(&state).unwrap();
    let vault = vault(&state);
    let (upkeep, told) = upkeep(&vault);
    let db = default(&vault);
    upkeep.look();
    assert_eq!((upkeep.disk().room(), lock(&told).len()), (Room::Enough, 0));
    for round in 0..3_u32 {
        let mut kept: Vec<u32> = noted(&db);
        note(&db, round * 10_000).unwrap();
        kept.push(round * 10_000);
        disk.fill(300);
        upkeep.look();
        assert!(state.join("reserve").exists());
        assert_eq!(upkeep.disk().room(), Room::Low, "300 KiB of 6 MiB");
        assert!(!upkeep.disk().campaigns_may_start());
        let mut refused = 0;
        for number in 1..200 {
            match note(&db, round * 10_000 + number) {
                Ok(()) => kept.push(round * 10_000 + number),
                Err(error) => {
                    assert!(error.is_full(), "{error:?}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 50, "the disk did not get full");
        assert!(upkeep.disk().room() == Room::Full && upkeep.disk().is_failing(), "told by the write itself");
        upkeep.look();
        upkeep.look();
        assert_eq!(upkeep.disk().room(), Room::Full);
        assert!(upkeep.shapes().iter().all(|shape| shape.unwritable.is_some()));
        // Reading goes on, and what was acknowledged is there, what was refused is not.
        assert_eq!(noted(&db), kept);
        disk.make_room();
        upkeep.look();
        assert!(upkeep.disk().campaigns_may_start());
        note(&db, round * 10_000 + 9_999).unwrap();
        assert_eq!(care::check(&db).unwrap(), Vec::<String>::new());
        let told = std::mem::take(&mut *lock(&told));
        let raised: Vec<_> = told.iter().map(|notice| (notice.code, notice.raised)).collect();
        assert_eq!(raised, [("disk", true), ("disk", true), ("disk", false)], "{told:?}");
        db.write_blocking(|db| Ok(db.execute("DELETE FROM callbacks", [])?)).unwrap();
        care::tidy(&db, || true).unwrap();
    }
    // What survives is whole after a new start, too.
    note(&db, 77).unwrap();
    vault.close();
    let again = Vault::open(&state, MasterKey::load(&state).unwrap(), Clock::system()).unwrap();
    assert_eq!(noted(&default(&again)), [77]);
    again.close();
}

/// A quota shows in writes only, not in what is free.
#[test]
fn a_write_that_failed_for_room_counts_as_full_though_the_disk_seems_to_have_some() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path());
    let (upkeep, told) = upkeep(&vault);
    let db = default(&vault);
    upkeep.look();
    lock(&told).clear();
    let before = upkeep.disk().room();
    let limit = |db: &Database, pages: i64| {
        db.write_blocking(move |db| Ok(db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?))
            .unwrap();
    };
    limit(&db, 1);
    let refused = (0..50).filter(|number| note(&db, *number).is_err_and(|error| error.is_full())).count();
    assert!(refused > 0);
    let kept = noted(&db);
    assert!(db.stats().full > 0, "{:?}", db.stats());
    // The probe of the same look finds that files can be written: full for no longer than that.
    assert_eq!(upkeep.disk().room(), Room::Full);
    upkeep.look();
    assert_eq!(upkeep.disk().room(), before);
    limit(&db, 1_000_000);
    note(&db, 999).unwrap();
    assert_eq!(noted(&db), [kept, vec![999]].concat());
    assert_eq!(care::check(&db).unwrap(), Vec::<String>::new());
}

#[test]
fn the_night_checks_and_tidies_and_tells_damage_once() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path());
    let (upkeep, told) = upkeep(&vault);
    let db = default(&vault);
    for number in 0..500 {
        note(&db, number).unwrap();
    }
    upkeep.night(&|| true);
    let shapes = upkeep.shapes();
    assert_eq!(shapes.iter().map(|shape| shape.name.as_str()).collect::<Vec<_>>(), ["system", "default"]);
    assert!(shapes.iter().all(|shape| shape.checked_ms.is_some() && shape.faults.is_empty() && shape.bytes > 0));
    assert_eq!(*lock(&told), []);
    let mut file = fs::OpenOptions::new().write(true).open(db.path()).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length / 2 / 4_096 * 4_096 + 50)).unwrap();
    file.write_all(b"bent").unwrap();
    for _ in 0..2 {
        upkeep.night(&|| true);
    }
    let notices = lock(&told).clone();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!((notices[0].code, notices[0].about.as_str(), notices[0].raised), ("database", "default", true));
    assert!(upkeep.shapes()[1].faults.len() <= limits::CHECK_FAULTS_MAX && !upkeep.shapes()[1].faults.is_empty());
    upkeep.night(&|| false);
}

#[tokio::test]
async fn the_watch_runs_and_stops_with_its_scope() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_owned();
    let vault = tokio::task::spawn_blocking(move || vault(&state)).await.unwrap();
    let (upkeep, _) = upkeep(&vault);
    let scope = Scope::new();
    upkeep.run(&scope);
    for _ in 0..100 {
        if upkeep.disk().last().total_bytes != u64::MAX {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_ne!(upkeep.disk().last().total_bytes, u64::MAX, "nobody looked");
    scope.stop();
    assert!(scope.join(std::time::Duration::from_secs(10)).await);
}
