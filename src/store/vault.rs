//! All databases of the box: the system's and one for each tenant, each with a key of its own.
//!
//! Promise: one tenant's rows are in no other tenant's file; a tenant that was shredded cannot be
//! read by anybody again, and its name is never given to another. A tenant whose database cannot be
//! opened is left out and told, the others work; one that lacked nothing but room is opened when there
//! is some. Absent on purpose: who may see what.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::StoreError;
use super::crypt::{self, MasterKey};
use super::database::Database;
use super::disk::DiskState;
use super::{files, migrations, reserve};
use crate::base::{Clock, TenantId, limits};

struct Inner {
    state: PathBuf,
    master: MasterKey,
    clock: Clock,
    system: Database,
    tenants: RwLock<BTreeMap<TenantId, Database>>,
    broken: RwLock<BTreeMap<TenantId, Broken>>,
    disk: DiskState,
    told: OnceLock<Told>,
}

/// Why a database is not open.
struct Broken {
    why: String,
    /// It is worth another try: the disk was full, or the file may have been in the making.
    again: bool,
}

/// Hears of tenants that come (with their database) and go.
type Told = Box<dyn Fn(&TenantId, Option<&Database>) + Send + Sync>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.0.state.display())
    }
}

/// A tenant as the system's database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantRow {
    pub id: TenantId,
    pub name: String,
    pub created_ms: u64,
    pub shredded_ms: Option<u64>,
    pub version: u64,
}

impl Vault {
    /// Opens what is there, makes what is missing (the system's database, the tenant `default`), and
    /// finishes what was being shredded. Waits for the disk.
    pub fn open(state: &Path, master: MasterKey, clock: Clock) -> Result<Self, StoreError> {
        files::own_folder(state)?;
        files::own_folder(&state.join("tenants"))?;
        let disk = DiskState::default();
        let key = master.database_key(state, "system")?;
        let path = state.join("system.db");
        let system = with_room(state, || Database::open(&path, key.clone(), migrations::SYSTEM, &disk))?;
        let vault = Self(Arc::new(Inner {
            state: state.to_owned(),
            master,
            clock,
            system,
            tenants: RwLock::default(),
            broken: RwLock::default(),
            disk,
            told: OnceLock::new(),
        }));
        for row in vault.0.system.read_blocking(all)? {
            if row.shredded_ms.is_some() {
                if let Err(error) = vault.destroy(&row.id) {
                    tracing::error!(tenant = %row.id, %error, "what is left of a removed tenant could not be destroyed; the next start tries again");
                }
                continue;
            }
            match with_room(state, || vault.open_tenant(&row.id, false)) {
                Ok(db) => drop(vault.write_tenants().insert(row.id, db)),
                Err(error) => vault.is_broken(row.id, &error, error.is_full()),
            }
        }
        let default = TenantId::default_tenant();
        if vault.tenant(&default).is_none() && !vault.broken().contains_key(&default) {
            vault.create_tenant(&default, "Default")?;
        }
        Ok(vault)
    }

    pub fn system(&self) -> &Database {
        &self.0.system
    }

    pub fn master(&self) -> &MasterKey {
        &self.0.master
    }

    /// Of the disk that all of this lies on.
    pub fn disk(&self) -> &DiskState {
        &self.0.disk
    }

    pub fn state(&self) -> &Path {
        &self.0.state
    }

    pub fn tenant(&self, id: &TenantId) -> Option<Database> {
        self.read_tenants().get(id).cloned()
    }

    pub fn tenants(&self) -> Vec<TenantId> {
        self.read_tenants().keys().cloned().collect()
    }

    pub fn databases(&self) -> Vec<(TenantId, Database)> {
        self.read_tenants().iter().map(|(id, db)| (id.clone(), db.clone())).collect()
    }

    /// Tenants whose databases could not be opened, and why.
    pub fn broken(&self) -> BTreeMap<TenantId, String> {
        let broken = self.0.broken.read().unwrap_or_else(PoisonError::into_inner);
        broken.iter().map(|(id, broken)| (id.clone(), broken.why.clone())).collect()
    }

    /// Is there no such tenant (any more)? A damaged one is there.
    pub fn is_nobody(&self, id: &TenantId) -> bool {
        let broken = self.0.broken.read().unwrap_or_else(PoisonError::into_inner);
        !broken.contains_key(id) && self.tenant(id).is_none()
    }

    fn is_broken(&self, id: TenantId, error: &StoreError, again: bool) {
        let mut broken = self.0.broken.write().unwrap_or_else(PoisonError::into_inner);
        let now = Broken { why: error.to_string(), again };
        if broken.get(&id).is_none_or(|before| before.why != now.why) {
            tracing::error!(tenant = %id, %error, "the database of a tenant cannot be opened; its calls are not recorded");
        }
        broken.insert(id, now);
    }

    fn may_open(&self, id: &TenantId) -> bool {
        let broken = self.0.broken.read().unwrap_or_else(PoisonError::into_inner);
        broken.get(id).is_none_or(|broken| broken.again)
    }

    /// A key for one purpose of one tenant; gone with the tenant.
    pub fn tenant_secret(&self, id: &TenantId, purpose: &str) -> Option<[u8; 32]> {
        Some(self.tenant(id)?.key().derive(purpose))
    }

    /// Makes a tenant, or gives the one that is there. Waits for the disk.
    pub fn create_tenant(&self, id: &TenantId, name: &str) -> Result<Database, StoreError> {
        if let Some(db) = self.tenant(id) {
            return Ok(db);
        }
        if let Some(why) = self.broken().get(id) {
            return Err(StoreError::Crypt(why.clone()));
        }
        let known = {
            let id = id.clone();
            self.0.system.read_blocking(move |db| {
                let count: usize =
                    db.query_row("SELECT count(*) FROM tenants WHERE shredded_ms IS NULL", [], |r| r.get(0))?;
                Ok((find(db, &id)?, count))
            })?
        };
        if known.0.is_some_and(|row| row.shredded_ms.is_some()) {
            return Err(StoreError::Conflict(format!("the tenant {id} was removed for good; choose another name")));
        }
        if known.1 >= limits::TENANTS_MAX {
            return Err(StoreError::Invalid(format!("a box has at most {} tenants", limits::TENANTS_MAX)));
        }
        // The row comes last: what a crash leaves before it is used by the next attempt.
        let db = self.open_tenant(id, true)?;
        let (row, name, now) = (id.clone(), name.to_owned(), self.now());
        self.0.system.write_blocking(move |db| {
            db.execute(
                "INSERT INTO tenants (id, name, created_ms) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
                params![row.as_str(), name, now],
            )?;
            Ok(())
        })?;
        Ok(self.took(id, db))
    }

    /// Tells `told` of every tenant there is, and from now on of those that come and go. The first one
    /// who asks is told.
    pub fn on_tenants(&self, told: impl Fn(&TenantId, Option<&Database>) + Send + Sync + 'static) {
        let _ = self.0.told.set(Box::new(told));
        for (id, db) in self.databases() {
            self.tell(&id, Some(&db));
        }
    }

    fn tell(&self, id: &TenantId, db: Option<&Database>) {
        if let Some(told) = self.0.told.get() {
            told(id, db);
        }
    }

    fn took(&self, id: &TenantId, db: Database) -> Database {
        let db = self.write_tenants().entry(id.clone()).or_insert(db).clone();
        self.tell(id, Some(&db));
        db
    }

    /// Takes notice of tenants that another process (the command line) has made or shredded. Waits for
    /// the disk.
    pub fn refresh(&self) -> Result<(), StoreError> {
        for row in self.0.system.read_blocking(all)? {
            match (row.shredded_ms, self.tenant(&row.id)) {
                (Some(_), Some(db)) => {
                    self.write_tenants().remove(&row.id);
                    self.tell(&row.id, None);
                    db.close();
                    self.destroy(&row.id)?;
                }
                (None, None) if self.may_open(&row.id) => match self.open_tenant(&row.id, false) {
                    Ok(db) => {
                        self.0.broken.write().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
                        drop(self.took(&row.id, db));
                    }
                    Err(error) => self.is_broken(row.id, &error, true),
                },
                (Some(_), None) => {
                    self.0.broken.write().unwrap_or_else(PoisonError::into_inner).remove(&row.id);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every tenant there is or was.
    pub fn list(&self) -> Result<Vec<TenantRow>, StoreError> {
        self.0.system.read_blocking(all)
    }

    /// Destroys the tenant's key and removes its files: nobody can read them again, nor copies of
    /// them. Waits for the disk.
    pub fn shred_tenant(&self, id: &TenantId) -> Result<(), StoreError> {
        let (row, now) = (id.clone(), self.now());
        self.0.system.write_blocking(move |db| {
            let known = find(db, &row)?.ok_or(StoreError::NotFound("a tenant of that name"))?;
            if known.shredded_ms.is_none() {
                db.execute(
                    "UPDATE tenants SET shredded_ms = ?2, version = version + 1 WHERE id = ?1",
                    params![row.as_str(), now],
                )?;
            }
            Ok(())
        })?;
        let open = self.write_tenants().remove(id);
        if let Some(db) = open {
            self.tell(id, None);
            db.close();
        }
        self.destroy(id)
    }

    fn destroy(&self, id: &TenantId) -> Result<(), StoreError> {
        crypt::destroy_key(&self.0.state, &key_name(id))?;
        for end in ["db", "db-wal", "db-shm"] {
            let path = self.0.state.join("tenants").join(format!("{id}.{end}"));
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn open_tenant(&self, id: &TenantId, fresh: bool) -> Result<Database, StoreError> {
        let path = self.0.state.join("tenants").join(format!("{id}.db"));
        if !fresh && !path.exists() {
            return Err(StoreError::Crypt(format!("{} is missing; restore it from a backup", path.display())));
        }
        let key = self.0.master.database_key(&self.0.state, &key_name(id))?;
        Database::open(&path, key, migrations::TENANT, &self.0.disk)
    }

    /// Writes what is queued and closes every database. Waits for the disk.
    pub fn close(&self) {
        for (_, db) in self.databases() {
            db.close();
        }
        self.0.system.close();
    }

    fn now(&self) -> u64 {
        self.0.clock.wall_ms()
    }

    fn read_tenants(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<TenantId, Database>> {
        self.0.tenants.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_tenants(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<TenantId, Database>> {
        self.0.tenants.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens; on a full disk once more with the room that is kept for it.
fn with_room(state: &Path, open: impl Fn() -> Result<Database, StoreError>) -> Result<Database, StoreError> {
    match open() {
        Err(error) if error.is_full() && reserve::release(state) => {
            tracing::warn!("the disk of the state directory is full; the room that was kept for the start is used");
            open()
        }
        opened => opened,
    }
}

pub(super) fn key_name(id: &TenantId) -> String {
    format!("tenant-{id}")
}

const COLUMNS: &str = "SELECT id, name, created_ms, shredded_ms, version FROM tenants";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<TenantRow> {
    let id: String = row.get(0)?;
    let id = id
        .parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(TenantRow { id, name: row.get(1)?, created_ms: row.get(2)?, shredded_ms: row.get(3)?, version: row.get(4)? })
}

/// Every tenant there is or was, by id.
pub fn all(db: &Connection) -> Result<Vec<TenantRow>, StoreError> {
    Ok(db.prepare(&format!("{COLUMNS} ORDER BY id"))?.query_map([], row)?.collect::<Result<_, _>>()?)
}

/// One tenant's row.
pub fn find(db: &Connection, id: &TenantId) -> Result<Option<TenantRow>, StoreError> {
    Ok(db.query_row(&format!("{COLUMNS} WHERE id = ?1"), [id.as_str()], row).optional()?)
}

/// Gives a tenant another name, if nobody has changed it since `version`.
pub fn rename(db: &Connection, id: &TenantId, name: &str, version: u64) -> Result<TenantRow, StoreError> {
    let known = find(db, id)?.filter(|row| row.shredded_ms.is_none());
    let known = known.ok_or(StoreError::NotFound("a tenant of that name"))?;
    if known.version != version {
        return Err(StoreError::Conflict("somebody else has changed the tenant meanwhile; read it again".to_owned()));
    }
    db.execute("UPDATE tenants SET name = ?2, version = version + 1 WHERE id = ?1", params![id.as_str(), name])?;
    Ok(TenantRow { name: name.to_owned(), version: version + 1, ..known })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(state: &Path) -> Result<Vault, StoreError> {
        Vault::open(state, MasterKey::load(state)?, Clock::system())
    }

    fn id(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn note(db: &Database, word: &'static str) {
        db.write_blocking(move |db| {
            db.execute("INSERT INTO callbacks VALUES (?1, '+919876543210', 'h', 'a', 'hi-IN', 1)", [word])?;
            Ok(())
        })
        .unwrap();
    }

    fn noted(db: &Database) -> Vec<String> {
        db.read_blocking(|db| {
            Ok(db.prepare("SELECT id FROM callbacks")?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
        })
        .unwrap()
    }

    #[test]
    fn each_tenant_has_rows_and_a_key_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let vault = open(dir.path()).unwrap();
        let bank = vault.create_tenant(&id("bank"), "A bank").unwrap();
        note(&bank, "of the bank");
        note(&vault.tenant(&TenantId::default_tenant()).unwrap(), "of nobody");
        vault.close();
        drop(vault);
        // Even with the files exchanged nothing is read with another tenant's key.
        let path = |name: &str| dir.path().join("tenants").join(name);
        std::fs::copy(path("bank.db"), path("kept")).unwrap();
        std::fs::copy(path("default.db"), path("bank.db")).unwrap();
        let vault = open(dir.path()).unwrap();
        assert!(vault.tenant(&id("bank")).is_none());
        assert!(vault.broken()[&id("bank")].contains("backup"));
        assert_eq!(noted(&vault.tenant(&TenantId::default_tenant()).unwrap()), ["of nobody"]);
        vault.close();
        std::fs::copy(path("kept"), path("bank.db")).unwrap();
        let vault = open(dir.path()).unwrap();
        assert_eq!(noted(&vault.tenant(&id("bank")).unwrap()), ["of the bank"]);
    }

    #[test]
    fn a_shredded_tenant_is_gone_from_every_copy_and_its_name_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let vault = open(dir.path()).unwrap();
        let bank = vault.create_tenant(&id("bank"), "A bank").unwrap();
        note(&bank, "x");
        let secret = vault.tenant_secret(&id("bank"), "objects").unwrap();
        assert_ne!(secret, vault.tenant_secret(&TenantId::default_tenant(), "objects").unwrap());
        vault.shred_tenant(&id("bank")).unwrap();
        assert!(matches!(bank.read_blocking(|_| Ok(())), Err(StoreError::Closed)));
        assert!(!dir.path().join("tenants/bank.db").exists() && !dir.path().join("keys/tenant-bank.key").exists());
        assert!(matches!(vault.create_tenant(&id("bank"), "Again"), Err(StoreError::Conflict(_))));
        assert!(matches!(vault.shred_tenant(&id("nobody")), Err(StoreError::NotFound(_))));
        // A crash between the row and the files is made good at the next start.
        std::fs::write(dir.path().join("tenants/bank.db"), "left").unwrap();
        vault.close();
        let vault = open(dir.path()).unwrap();
        assert!(!dir.path().join("tenants/bank.db").exists());
        assert_eq!(vault.tenants(), [TenantId::default_tenant()]);
    }

    #[test]
    fn what_another_process_makes_and_shreds_is_noticed_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let (daemon, other) = (open(dir.path()).unwrap(), open(dir.path()).unwrap());
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        daemon.on_tenants(move |id, db| hearing.lock().unwrap().push((id.to_string(), db.is_some())));
        note(&other.create_tenant(&id("bank"), "A bank").unwrap(), "x");
        daemon.refresh().unwrap();
        daemon.refresh().unwrap();
        assert_eq!(noted(&daemon.tenant(&id("bank")).unwrap()), ["x"]);
        other.shred_tenant(&id("bank")).unwrap();
        daemon.refresh().unwrap();
        assert!(daemon.tenant(&id("bank")).is_none());
        let told = |name: &str, came| (name.to_owned(), came);
        assert_eq!(*heard.lock().unwrap(), [told("default", true), told("bank", true), told("bank", false)]);
    }

    #[test]
    fn what_is_kept_can_be_opened_on_a_full_disk_with_the_room_that_was_kept_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let Some(disk) = crate::store::tiny_disk::TinyDisk::new(&dir.path().join("disk"), 8 * 1_024) else { return };
        let vault = open(disk.path()).unwrap();
        note(&vault.create_tenant(&id("bank"), "A bank").unwrap(), "x");
        vault.close();
        drop(vault);
        disk.fill(0);
        assert!(open(disk.path()).unwrap_err().is_full());
        disk.make_room();
        reserve::keep(disk.path(), 2).unwrap();
        disk.fill(0);
        let vault = open(disk.path()).unwrap();
        assert_eq!(noted(&vault.tenant(&id("bank")).unwrap()), ["x"]);
        assert!(vault.broken().is_empty() && !reserve::release(disk.path()));
    }

    #[test]
    fn a_tenant_that_lacked_room_only_is_opened_when_there_is_some() {
        let dir = tempfile::tempdir().unwrap();
        let vault = open(dir.path()).unwrap();
        note(&vault.create_tenant(&id("bank"), "A bank").unwrap(), "x");
        vault.close();
        let vault = open(dir.path()).unwrap();
        for (error, opened) in [(StoreError::Crypt("damaged".to_owned()), false), (StoreError::Full, true)] {
            drop(vault.write_tenants().remove(&id("bank")));
            vault.0.broken.write().unwrap().clear();
            vault.is_broken(id("bank"), &error, error.is_full());
            assert!(!vault.is_nobody(&id("bank")), "it is there");
            vault.refresh().unwrap();
            assert_eq!((vault.tenant(&id("bank")).is_some(), vault.broken().is_empty()), (opened, opened));
        }
        assert_eq!(noted(&vault.tenant(&id("bank")).unwrap()), ["x"]);
        vault.shred_tenant(&id("bank")).unwrap();
        assert!(vault.is_nobody(&id("bank")) && vault.is_nobody(&id("stranger")));
    }

    #[test]
    fn names_that_are_no_files_are_refused() {
        for wrong in ["", "..", "a/b", "A", "-a", "_a", "ä", &"a".repeat(65)] {
            assert!(wrong.parse::<TenantId>().is_err(), "{wrong}");
        }
        assert_eq!(id("bank-2_x").as_str(), "bank-2_x");
    }
}
