//! Backups under faults: writers, wrong keys, damage, full disks, stops, kills.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::params;

use super::archive::{FORMAT, Writer};
use super::*;
use crate::base::{Clock, TenantId};
use crate::store::database::Database;
use crate::store::sealed::Sealer;
use crate::store::tiny_disk::TinyDisk;
use crate::store::{Vault, migrations};

const PHONE: &str = "+919876543210";
const NAME: &str = "Lakshmi Narayanan";
const WORDS: &str = "kal subah das baje paanch hazaar rupaye de dunga";

fn nothing_stops() -> bool {
    false
}

/// A state directory with seeded rows, an object, a file and a configuration.
struct Box_ {
    dir: tempfile::TempDir,
    vault: Vault,
}

fn a_box() -> Box_ {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let vault = Vault::open(&state, MasterKey::load(&state).unwrap(), Clock::system()).unwrap();
    let bank = vault.create_tenant(&tenant("bank"), NAME).unwrap();
    note(&bank, 0);
    bank.write_blocking(|db| {
        db.execute("INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES ('c', 1, 1, 'heard', json_object('text', ?1))", [WORDS])?;
        Ok(())
    })
    .unwrap();
    fs::create_dir_all(state.join("objects/bank/calls")).unwrap();
    fs::write(state.join("objects/bank/calls/x"), "sealed sound").unwrap();
    fs::write(state.join("api-token"), "token of the box").unwrap();
    fs::create_dir(state.join("ledger")).unwrap();
    fs::write(state.join("ledger/2026-11-20"), vec![b'7'; 3 << 20]).unwrap();
    fs::create_dir_all(dir.path().join("config/agents")).unwrap();
    fs::write(dir.path().join("config/vaani.toml"), "[http]\n").unwrap();
    fs::write(dir.path().join("config/agents/helpdesk.toml"), NAME).unwrap();
    Box_ { dir, vault }
}

impl Box_ {
    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn source(&self) -> Source {
        Source { state: self.state(), config: Some(self.at("config")), master: self.vault.master().clone() }
    }

    fn depot(&self) -> Depot {
        Depot::folder(self.at("copies"))
    }

    fn make(&self) -> Made {
        make(&self.source(), &self.depot(), None, 1_795_204_800_123, &nothing_stops).unwrap()
    }

    fn bytes(&self, made: &Made) -> Vec<u8> {
        fs::read(self.at("copies").join(&made.name)).unwrap()
    }

    fn key(&self) -> FoundKey {
        find_key(&self.state(), None).unwrap()
    }

    fn restore(&self, bytes: &[u8], into: &str, force: bool) -> Result<Restored, BackupError> {
        restore(bytes, Some(bytes.len() as u64), &self.key(), &self.at(into), force)
    }

    /// Names in the folder that holds everything.
    fn names(&self) -> BTreeSet<String> {
        fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn note(db: &Database, number: i64) {
    db.write_blocking(move |db| {
        db.execute(
            "INSERT INTO callbacks VALUES (?1, ?2, 'h', 'a', 'hi-IN', ?3)",
            params![format!("{number:08}"), PHONE, number],
        )?;
        Ok(())
    })
    .unwrap();
}

fn noted(db: &Database) -> Vec<i64> {
    db.read_blocking(|db| {
        Ok(db
            .prepare("SELECT CAST(id AS INTEGER) FROM callbacks ORDER BY id")?
            .query_map([], |r| r.get(0))?
            .collect::<Result<_, _>>()?)
    })
    .unwrap()
}

fn opened(state: &Path) -> Vault {
    Vault::open(state, MasterKey::read(&MasterKey::path(state)).unwrap(), Clock::system()).unwrap()
}

#[test]
fn everything_comes_back_in_another_place_and_nothing_lies_open() {
    let a_box = a_box();
    let made = a_box.make();
    assert_eq!(made.name, "vaani-20261120T200000Z-123.vbk");
    assert_eq!((made.databases, made.objects, made.remarks.as_slice()), (3, 1, [].as_slice()));
    let bytes = a_box.bytes(&made);
    assert_eq!(made.bytes, bytes.len() as u64);
    let master = fs::read_to_string(MasterKey::path(&a_box.state())).unwrap();
    for seeded in [PHONE, "9876543210", NAME, WORDS, "token of the box", "SQLite format", "api-token", &master] {
        assert!(!bytes.windows(seeded.len()).any(|part| part == seeded.as_bytes()), "{seeded}");
    }
    // What was written after is not in it.
    note(&a_box.vault.tenant(&tenant("bank")).unwrap(), 1);

    let restored = a_box.restore(&bytes, "elsewhere", false).unwrap();
    assert_eq!((restored.aside.as_ref(), restored.databases, restored.objects), (None, 3, 1));
    let elsewhere = a_box.at("elsewhere");
    let vault = opened(&elsewhere);
    assert_eq!(noted(&vault.tenant(&tenant("bank")).unwrap()), [0]);
    assert_eq!(vault.list().unwrap().iter().find(|row| row.id == tenant("bank")).unwrap().name, NAME);
    assert_eq!(fs::read_to_string(elsewhere.join("objects/bank/calls/x")).unwrap(), "sealed sound");
    assert_eq!(fs::read_to_string(elsewhere.join("api-token")).unwrap(), "token of the box");
    assert_eq!(fs::read(elsewhere.join("ledger/2026-11-20")).unwrap(), vec![b'7'; 3 << 20]);
    assert_eq!(fs::read_to_string(elsewhere.join("restored-config/agents/helpdesk.toml")).unwrap(), NAME);
    use std::os::unix::fs::PermissionsExt;
    for (path, mode) in [("", 0o700), ("keys", 0o700), ("master.key", 0o600), ("system.db", 0o600)] {
        assert_eq!(fs::metadata(elsewhere.join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
    vault.close();
    // A backup of the restored state restores as well: nothing grows from one to the next.
    let again = Source { state: elsewhere.clone(), config: None, master: a_box.vault.master().clone() };
    let second = make(&again, &Depot::folder(a_box.at("second")), None, 5, &nothing_stops).unwrap();
    assert_eq!((second.databases, second.objects), (3, 1));
    assert!(!elsewhere.join(".part").exists() && !elsewhere.join("backup-work").exists());
}

/// The promise under load: acknowledged before the beginning is in it, and what is in it is one moment.
#[test]
fn a_backup_during_heavy_writes_is_one_moment_and_holds_up_no_writer() {
    let a_box = a_box();
    let bank = a_box.vault.tenant(&tenant("bank")).unwrap();
    // Enough pages that the copy takes several steps.
    bank.write_blocking(|db| {
        for n in 0..20_000 {
            db.execute(
                "INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES (?1, 1, 1, 'x', json_quote(?2))",
                params![n.to_string(), "y".repeat(700)],
            )?;
        }
        Ok(())
    })
    .unwrap();
    let (stop, acknowledged, slowest) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
    let clock = Clock::system();
    let writing = {
        let (stop, acknowledged, slowest, bank) = (stop.clone(), acknowledged.clone(), slowest.clone(), bank.clone());
        std::thread::spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Acquire) {
                number += 1;
                let began = clock.now();
                note(&bank, number);
                acknowledged.store(number, Ordering::Release);
                slowest.fetch_max(clock.now().since(began).as_micros() as u64, Ordering::AcqRel);
            }
            number
        })
    };
    std::thread::sleep(Duration::from_millis(200));
    let mut made = Vec::new();
    for round in 0..3 {
        let before = acknowledged.load(Ordering::Acquire);
        let began = clock.now();
        let one = make(&a_box.source(), &a_box.depot(), None, round, &nothing_stops).unwrap();
        made.push((before, one, clock.now().since(began)));
    }
    let after = acknowledged.load(Ordering::Acquire);
    stop.store(true, Ordering::Release);
    writing.join().unwrap();
    assert!(after > made[2].0, "nothing was written while backups were made");
    let slowest = slowest.load(Ordering::Acquire);
    println!("{after} writes, slowest {slowest} us, backups of {} bytes in {:?}", made[0].1.bytes, made[0].2);
    assert!(slowest < 2_000_000, "a writer waited {slowest} us");
    for (round, (before, one, _)) in made.into_iter().enumerate() {
        let into = format!("restored-{round}");
        a_box.restore(&a_box.bytes(&one), &into, false).unwrap();
        let vault = opened(&a_box.at(&into));
        let rows = noted(&vault.tenant(&tenant("bank")).unwrap());
        let last = *rows.last().unwrap();
        assert!(last >= before, "round {round}: {before} were acknowledged, {last} came back");
        assert_eq!(rows, (0..=last).collect::<Vec<_>>(), "round {round}: a hole");
        vault.close();
    }
}

#[test]
fn a_wrong_key_and_none_are_one_clear_error() {
    let a_box = a_box();
    let bytes = a_box.bytes(&a_box.make());
    let other = FoundKey { master: MasterKey::from_hex(&"ab".repeat(32)).unwrap(), file: None };
    let error = restore(bytes.as_slice(), None, &other, &a_box.at("elsewhere"), false).unwrap_err();
    assert!(matches!(error, BackupError::Key(_)) && error.to_string().contains("--key-file"), "{error}");
    let error = find_key(&a_box.at("nowhere"), None).unwrap_err();
    assert!(matches!(error, BackupError::Key(_)) && error.to_string().contains("--key-file"), "{error}");
    let error = find_key(&a_box.at("nowhere"), Some(&a_box.at("config/vaani.toml"))).unwrap_err();
    assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
    // The wrong key of a state is found before anything is written.
    let wrong = Source { master: other.master, ..a_box.source() };
    let error = make(&wrong, &a_box.depot(), Some("wrong.vbk"), 1, &nothing_stops).unwrap_err();
    assert!(matches!(error, BackupError::Key(_)), "{error}");
    assert_eq!(list(&a_box.depot()).unwrap().len(), 1);
    assert_eq!(a_box.names(), ["config", "copies", "state"].map(str::to_owned).into());
}

#[test]
fn damage_of_any_kind_leaves_the_old_state_and_no_half_of_a_new_one() {
    let a_box = a_box();
    let bytes = a_box.bytes(&a_box.make());
    a_box.restore(&bytes, "there", false).unwrap();
    fs::write(a_box.at("there/mark"), "of before").unwrap();
    let names = a_box.names();
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("nothing".into(), Vec::new()),
        ("another file".into(), b"PK\x03\x04 this is a zip".to_vec()),
        ("something added".into(), [bytes.as_slice(), b"x"].concat()),
    ];
    for cut in [1, 59, 60, 61, 1_000, 70_000, bytes.len() / 2, bytes.len() - 17, bytes.len() - 1] {
        cases.push((format!("cut at {cut}"), bytes[..cut].to_vec()));
    }
    for at in [0, 9, 20, 50, 61, 5_000, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        let mut bent = bytes.clone();
        bent[at] ^= 0x20;
        cases.push((format!("byte {at} changed"), bent));
    }
    for (what, bytes) in cases {
        let error = a_box.restore(&bytes, "there", true).unwrap_err();
        assert!(
            matches!(error, BackupError::Seal(_) | BackupError::Key(_) | BackupError::Damaged(_)),
            "{what}: {error:?}"
        );
        assert!(a_box.restore(&bytes, "new", false).is_err(), "{what}");
        assert_eq!(a_box.names(), names, "{what}");
        assert_eq!(fs::read_to_string(a_box.at("there/mark")).unwrap(), "of before", "{what}");
        let verified = verify(bytes.as_slice(), a_box.vault.master(), &a_box.at(""), &nothing_stops);
        assert!(verified.is_err(), "{what}");
    }
    assert_eq!(a_box.names(), names, "a verification leaves nothing");
}

#[test]
fn a_state_that_is_there_is_put_aside_only_when_told_and_never_while_it_is_used() {
    let a_box = a_box();
    let bytes = a_box.bytes(&a_box.make());
    fs::create_dir(a_box.at("there")).unwrap();
    a_box.restore(&bytes, "there", false).expect("an empty directory is free");
    fs::write(a_box.at("there/mark"), "of before").unwrap();
    assert!(matches!(a_box.restore(&bytes, "there", false), Err(BackupError::NotEmpty(_))));
    let lock = fs::File::create(a_box.at("there/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(matches!(a_box.restore(&bytes, "there", true), Err(BackupError::InUse(_))));
    drop(lock);
    let restored = a_box.restore(&bytes, "there", true).unwrap();
    let aside = restored.aside.unwrap();
    assert_eq!(fs::read_to_string(aside.join("mark")).unwrap(), "of before");
    assert!(!a_box.at("there/mark").exists() && a_box.at("there/system.db").exists());
    // Once more: the first one that was put aside stays what it is.
    let second = a_box.restore(&bytes, "there", true).unwrap().aside.unwrap();
    assert_ne!(second, aside);
    assert!(matches!(a_box.restore(&bytes, "copies/x/../../config/vaani.toml", true), Err(BackupError::Disk { .. })));
    // What a killed restore left is removed by the next of the same place; what is being unpacked is not.
    fs::create_dir_all(a_box.at(".there.restoring-0123/keys")).unwrap();
    fs::create_dir_all(a_box.at(".there.restoring-4567/keys")).unwrap();
    let unpacking = fs::File::open(a_box.at(".there.restoring-4567")).unwrap();
    rustix::fs::flock(&unpacking, rustix::fs::FlockOperation::LockExclusive).unwrap();
    a_box.restore(&bytes, "there", true).unwrap();
    assert!(!a_box.at(".there.restoring-0123").exists() && a_box.at(".there.restoring-4567").exists());
    // Through a link, as systemd has it for /var/lib.
    std::os::unix::fs::symlink(a_box.at("there"), a_box.at("link")).unwrap();
    let restored = a_box.restore(&bytes, "link", true).unwrap();
    assert_eq!(restored.into, a_box.at("there").canonicalize().unwrap());
    assert!(fs::symlink_metadata(a_box.at("link")).unwrap().is_symlink());
}

#[test]
fn a_newer_vaanis_backup_is_refused() {
    let a_box = a_box();
    // Its head says so.
    let key = a_box.vault.master().derive(PURPOSE);
    for (format, system, tenant) in
        [(FORMAT + 1, 1, 1), (FORMAT, migrations::SYSTEM.len() + 1, 1), (FORMAT, 1, migrations::TENANT.len() + 1)]
    {
        let head = Head { format, vaani: "9.9.9".into(), made_ms: 1, schemas: Schemas { system, tenant } };
        let writer = Writer::new(Sealer::new(Vec::new(), &key).unwrap(), head).unwrap();
        let bytes = writer.finish().unwrap().0.finish().unwrap();
        let error = a_box.restore(&bytes, "new", false).unwrap_err();
        assert!(matches!(&error, BackupError::Newer(by) if by == "9.9.9"), "{error:?}");
    }
    // Its database says so.
    let bank = a_box.vault.tenant(&tenant("bank")).unwrap();
    bank.write_blocking(|db| Ok(db.pragma_update(None, "user_version", migrations::TENANT.len() + 1)?)).unwrap();
    let bytes = a_box.bytes(&a_box.make());
    let error = a_box.restore(&bytes, "new", false).unwrap_err();
    assert!(matches!(error, BackupError::Newer(_)), "{error:?}");
    assert!(!a_box.at("new").exists());
}

#[test]
fn of_two_at_once_one_is_made() {
    let a_box = a_box();
    let second = std::cell::OnceCell::new();
    let stop = || {
        second.get_or_init(|| make(&a_box.source(), &a_box.depot(), None, 2, &nothing_stops).map(|made| made.name));
        false
    };
    make(&a_box.source(), &a_box.depot(), None, 1, &stop).unwrap();
    assert!(matches!(second.get(), Some(Err(BackupError::Busy(_)))), "{second:?}");
    assert_eq!(list(&a_box.depot()).unwrap().len(), 1);
    make(&a_box.source(), &a_box.depot(), None, 2, &nothing_stops).unwrap();
    let names: Vec<_> = list(&a_box.depot()).unwrap().into_iter().map(|kept| kept.name).collect();
    assert_eq!(names, ["vaani-19700101T000000Z-001.vbk", "vaani-19700101T000000Z-002.vbk"]);
}

#[test]
fn a_stop_leaves_nothing() {
    let a_box = a_box();
    for after in [0, 1, 3, 6] {
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() > after
        };
        let error = make(&a_box.source(), &a_box.depot(), None, 1, &stop).unwrap_err();
        assert!(matches!(error, BackupError::Stopped), "{error:?}");
        let left = fs::read_dir(a_box.at("copies")).map_or(0, |entries| entries.count());
        assert_eq!((left, a_box.state().join(make::WORK).exists()), (0, false));
    }
}

#[test]
fn where_no_state_is_there_is_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::from_hex(&"ab".repeat(32)).unwrap();
    let source = Source { state: dir.path().join("none"), config: None, master };
    let error = make(&source, &Depot::folder(dir.path().join("copies")), None, 1, &nothing_stops).unwrap_err();
    assert!(matches!(error, BackupError::NothingThere(_)), "{error:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// One tenant's damaged file takes nobody else's backup with it, and is told.
#[test]
fn a_broken_tenant_is_copied_as_it_is_and_told() {
    let a_box = a_box();
    a_box.vault.close();
    let path = a_box.state().join("tenants/default.db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[20..4_000].fill(9);
    fs::write(&path, &bytes).unwrap();
    let made = a_box.make();
    assert!(made.remarks[0].contains("tenants/default.db"), "{:?}", made.remarks);
    let restored = a_box.restore(&a_box.bytes(&made), "elsewhere", false).unwrap();
    assert!(restored.remarks.iter().any(|remark| remark.contains("tenants/default.db")), "{:?}", restored.remarks);
    assert_eq!(fs::read(a_box.at("elsewhere/tenants/default.db")).unwrap(), bytes);
    let vault = opened(&a_box.at("elsewhere"));
    assert_eq!(noted(&vault.tenant(&tenant("bank")).unwrap()), [0]);
}

/// What `integrity_check` would say is found when it is verified, not when it is needed.
#[test]
fn a_database_that_was_bent_before_it_was_sealed_is_found() {
    let a_box = a_box();
    let bank = a_box.vault.tenant(&tenant("bank")).unwrap();
    bank.write_blocking(|db| {
        db.execute("INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES ('d', 5, 9, 'x', '1')", [])?;
        // An index that no longer has what its table has.
        db.execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_master SET sql = replace(sql, 'unix_ms)', 'call_ms)') WHERE name = 'events_time';
             PRAGMA writable_schema = RESET;",
        )?;
        Ok(())
    })
    .unwrap();
    let bytes = a_box.bytes(&a_box.make());
    let error = verify(bytes.as_slice(), a_box.vault.master(), &a_box.at(""), &nothing_stops).unwrap_err();
    assert!(matches!(&error, BackupError::Damaged(what) if what.contains("bank")), "{error:?}");
    assert!(matches!(a_box.restore(&bytes, "new", false), Err(BackupError::Damaged(_))));
}

#[test]
fn a_full_disk_fails_the_backup_and_leaves_no_part_of_it() {
    let a_box = a_box();
    let Some(disk) = TinyDisk::new(&a_box.at("copies"), 2_048) else { return };
    let error = make(&a_box.source(), &a_box.depot(), None, 1, &nothing_stops).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0, "a part was left");
    note(&a_box.vault.tenant(&tenant("bank")).unwrap(), 7);
    drop(disk);
    a_box.make();
    // Restoring onto a full disk leaves nothing either.
    let bytes = a_box.bytes(&make(&a_box.source(), &a_box.depot(), None, 2, &nothing_stops).unwrap());
    let Some(disk) = TinyDisk::new(&a_box.at("small"), 3_000) else { return };
    let error = restore(bytes.as_slice(), None, &a_box.key(), &disk.path().join("state"), false).unwrap_err();
    assert!(error.is_full(), "{error:?}");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
    let error = a_box.restore(&bytes, "small/state", false).unwrap_err();
    assert!(matches!(error, BackupError::Room { .. }), "{error:?}");
    // A disk of its own cannot be exchanged.
    fs::write(disk.path().join("x"), "").unwrap();
    assert!(matches!(a_box.restore(&bytes, "small", true), Err(BackupError::Mount(_))));
}

/// Not a test: what the next one kills. Makes backups of the state in the variable until it dies.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os("VAANI_TEST_BACKUP_OF") else { return };
    let dir = Path::new(&dir);
    let master = find_key(&dir.join("state"), None).unwrap().master;
    let source = Source { state: dir.join("state"), config: None, master };
    for number in 0.. {
        make(&source, &Depot::folder(dir.join("copies")), None, number, &nothing_stops).unwrap();
        println!("made");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn killed_at_any_time_the_state_works_and_every_backup_under_its_name_is_whole() {
    let a_box = a_box();
    a_box
        .vault
        .tenant(&tenant("bank"))
        .unwrap()
        .write_blocking(|db| {
            for n in 0..5_000 {
                db.execute(
                    "INSERT INTO events (call, unix_ms, call_ms, kind, body) VALUES (?1, 1, 1, 'x', json_quote(?2))",
                    params![n.to_string(), "y".repeat(700)],
                )?;
            }
            Ok(())
        })
        .unwrap();
    for round in 0..6_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["store::backup::tests::victim", "--exact", "--nocapture"])
            .env("VAANI_TEST_BACKUP_OF", a_box.dir.path())
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + round * 47));
        // Both write meanwhile: the daemon here, the command line there.
        note(&a_box.vault.tenant(&tenant("bank")).unwrap(), i64::try_from(round).unwrap() + 1);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let made =
        make(&a_box.source(), &a_box.depot(), None, 999_999, &nothing_stops).expect("the lock went with the process");
    assert!(!a_box.state().join(make::WORK).exists());
    let left = fs::read_dir(a_box.at("copies"))
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0, "parts of killed backups are swept");
    let all = list(&a_box.depot()).unwrap();
    assert!(all.iter().any(|kept| kept.name == made.name));
    for kept in all {
        let bytes = fs::read(a_box.at("copies").join(&kept.name)).unwrap();
        let manifest = verify(bytes.as_slice(), a_box.vault.master(), &a_box.at(""), &nothing_stops).unwrap();
        assert_eq!(manifest.remarks, Vec::<String>::new());
    }
    assert_eq!(noted(&a_box.vault.tenant(&tenant("bank")).unwrap()), (0..=6).collect::<Vec<_>>());
}
