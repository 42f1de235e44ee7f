//! Recordings, transcripts and profiles: big things of a call, kept in a folder or a bucket.
//!
//! Promise: nothing leaves the process unsealed, and each tenant's objects are sealed under that tenant's
//! own key: they are gone with it when the tenant is. An object is there whole or not at all, and what is
//! read is what was put, or an error. Memory does not grow with the object where readers and writers are
//! used. Absent on purpose: whether a call may be recorded, and how long an object is kept.
//!
//! The bucket sees tenants, dates and ids of calls in the names, and lengths; no words, numbers or sound.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::base::{CallId, TenantId, limits};
use crate::config::{Address, Settings};
use crate::store::Vault;
use crate::store::depot::{Depot, DepotError, Kept};
use crate::store::sealed::{Opener, SealError, Sealer};

/// What the purpose of a tenant's key is called.
const PURPOSE: &str = "objects 1";

#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("there is no tenant {0}, or its database cannot be opened")]
    Tenant(TenantId),
    #[error("the object cannot be used: {0}")]
    Seal(SealError),
    #[error("the object has more than {0} MiB")]
    TooBig(u64),
    #[error("the object's source broke off: {0}")]
    Source(io::Error),
    #[error(transparent)]
    Depot(#[from] DepotError),
    #[error("the work on an object broke; see the log")]
    Broken,
}

impl ObjectError {
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Depot(DepotError::NoSuch(_)))
    }

    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Depot(DepotError::Full(_)))
    }
}

/// What kind of thing an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Recording,
    Transcript,
    Profile,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Recording, Self::Transcript, Self::Profile];

    const fn folder(self) -> &'static str {
        match self {
            Self::Recording => "calls/audio",
            Self::Transcript => "calls/transcripts",
            Self::Profile => "calls/profiles",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::Recording => "recording.wav",
            Self::Transcript => "transcript.json",
            Self::Profile => "profile.json",
        }
    }
}

/// One object of one call: `calls/audio/{date}/{call_id}/recording.wav`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub kind: Kind,
    pub call: CallId,
    day: jiff::civil::Date,
}

impl Key {
    /// `started_ms`: when the call began; its day in UTC is part of the name.
    pub fn new(kind: Kind, started_ms: u64, call: CallId) -> Self {
        let at = jiff::Timestamp::from_millisecond(i64::try_from(started_ms).unwrap_or(0)).unwrap_or_default();
        Self { kind, call, day: at.to_zoned(jiff::tz::TimeZone::UTC).date() }
    }

    /// The key of a name as [`Key`] prints it.
    pub fn parse(text: &str) -> Option<Self> {
        let kind =
            Kind::ALL.into_iter().find(|kind| text.strip_prefix(kind.folder()).is_some_and(|r| r.starts_with('/')))?;
        let mut parts = text.strip_prefix(kind.folder())?.strip_prefix('/')?.split('/');
        let (day, call, file) = (parts.next()?, parts.next()?, parts.next()?);
        (parts.next().is_none() && file == kind.file()).then_some(())?;
        Some(Self { kind, call: call.parse().ok()?, day: day.parse().ok()? })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.kind.folder(), self.day, self.call, self.kind.file())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An object that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: Key,
    /// Sealed.
    pub bytes: u64,
    pub put_ms: u64,
}

/// Which key seals the objects of a tenant; `None`: there is no such tenant (any more).
type KeyOf = Arc<dyn Fn(&TenantId) -> Option<[u8; 32]> + Send + Sync>;

/// Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    depot: Depot,
    key_of: KeyOf,
}

impl Objects {
    pub fn new(depot: Depot, vault: Vault) -> Self {
        Self { depot, key_of: Arc::new(move |tenant| vault.tenant_secret(tenant, PURPOSE)) }
    }

    /// Where the settings say: `objects/` in the state directory if they name no place. A bucket needs the
    /// runtime this is called in.
    pub fn open(settings: &Settings, vault: Vault) -> Result<Self, ObjectError> {
        let to = settings.objects.to.clone();
        let to = to.unwrap_or_else(|| Address::Folder(settings.state.dir.join("objects")));
        Ok(Self::new(Depot::open(&to, &settings.objects.s3)?, vault))
    }

    /// Removes what died on its way into a folder. Gives how many parts there were.
    pub async fn sweep(&self) -> usize {
        let depot = self.depot.clone();
        work(move || Ok(depot.sweep())).await.unwrap_or(0)
    }

    /// Where objects go, without secrets.
    pub fn shown(&self) -> String {
        self.depot.shown()
    }

    /// Seals what `source` gives until its end and keeps it; one that stood there is replaced. Gives its
    /// length before sealing.
    pub async fn put_from(
        &self,
        tenant: &TenantId,
        key: &Key,
        source: impl Read + Send + 'static,
    ) -> Result<u64, ObjectError> {
        let (name, sealing) = (name(tenant, key), self.key(tenant)?);
        let depot = self.depot.clone();
        work(move || put(&depot, &name, &sealing, source)).await
    }

    pub async fn put(&self, tenant: &TenantId, key: &Key, bytes: Vec<u8>) -> Result<u64, ObjectError> {
        self.put_from(tenant, key, io::Cursor::new(bytes)).await
    }

    /// The whole object, if it is no longer than [`limits::OBJECT_MAX`].
    pub async fn get(&self, tenant: &TenantId, key: &Key) -> Result<Vec<u8>, ObjectError> {
        let (name, sealing) = (name(tenant, key), self.key(tenant)?);
        let depot = self.depot.clone();
        work(move || {
            let mut bytes = Vec::new();
            get(&depot, &name, &sealing, &mut Bounded { into: &mut bytes })?;
            Ok(bytes)
        })
        .await
    }

    /// Opens the object into `into`. What was written there counts only once this has returned: that the
    /// object is complete is known at its end.
    pub async fn get_into(
        &self,
        tenant: &TenantId,
        key: &Key,
        mut into: impl Write + Send + 'static,
    ) -> Result<u64, ObjectError> {
        let (name, sealing) = (name(tenant, key), self.key(tenant)?);
        let depot = self.depot.clone();
        work(move || get(&depot, &name, &sealing, &mut into)).await
    }

    /// False: there was none. Works for tenants that are gone, too.
    pub async fn delete(&self, tenant: &TenantId, key: &Key) -> Result<bool, ObjectError> {
        let (depot, name) = (self.depot.clone(), name(tenant, key));
        work(move || Ok(depot.delete(&name)?)).await
    }

    /// Objects of a tenant in the order of kind, day and call, those after `after` only; at most
    /// [`limits::DEPOT_LISTED_MAX`].
    pub async fn list(&self, tenant: &TenantId, kind: Kind, after: Option<&Key>) -> Result<Vec<Listed>, ObjectError> {
        let depot = self.depot.clone();
        let (under, tenant) = (format!("{tenant}/{}", kind.folder()), tenant.clone());
        let after = after.map(|key| name(&tenant, key));
        let kept = work(move || Ok(depot.list(&under, after.as_deref())?)).await?;
        let listed = |kept: Kept| {
            let key = Key::parse(kept.name.split_once('/')?.1)?;
            Some(Listed { key, bytes: kept.bytes, put_ms: kept.unix_ms })
        };
        Ok(kept.into_iter().filter_map(listed).collect())
    }

    /// Removes everything of a tenant. Gives how many objects there were.
    pub async fn delete_all(&self, tenant: &TenantId) -> Result<u64, ObjectError> {
        let (depot, under) = (self.depot.clone(), tenant.to_string());
        work(move || {
            let mut removed = 0;
            loop {
                let kept = depot.list(&under, None)?;
                if kept.is_empty() {
                    return Ok(removed);
                }
                for one in kept {
                    removed += u64::from(depot.delete(&one.name)?);
                }
            }
        })
        .await
    }

    fn key(&self, tenant: &TenantId) -> Result<Zeroizing<[u8; 32]>, ObjectError> {
        (self.key_of)(tenant).map(Zeroizing::new).ok_or_else(|| ObjectError::Tenant(tenant.clone()))
    }
}

fn name(tenant: &TenantId, key: &Key) -> String {
    format!("{tenant}/{key}")
}

/// Disk and network are waited for on a thread that may.
async fn work<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, ObjectError> + Send + 'static,
) -> Result<T, ObjectError> {
    tokio::task::spawn_blocking(job).await.unwrap_or(Err(ObjectError::Broken))
}

fn put(depot: &Depot, name: &str, key: &[u8; 32], mut source: impl Read) -> Result<u64, ObjectError> {
    let away = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull => ObjectError::Depot(DepotError::Full(depot.shown())),
        _ => ObjectError::Depot(DepotError::Disk { place: depot.shown(), source: error }),
    };
    let mut sealer = Sealer::new(depot.upload(name)?, key).map_err(away)?;
    // The name is sealed in, so that no object can stand in for another.
    framed(name, &mut sealer).map_err(away)?;
    let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
    let mut bytes = 0;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ObjectError::Source(error)),
        };
        sealer.write_all(&buffer[..read]).map_err(away)?;
        bytes += read as u64;
    }
    sealer.finish().map_err(away)?.finish()?;
    Ok(bytes)
}

fn framed(name: &str, out: &mut impl Write) -> io::Result<()> {
    let length = u16::try_from(name.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(name.as_bytes())
}

fn get(depot: &Depot, name: &str, key: &[u8; 32], into: &mut dyn Write) -> Result<u64, ObjectError> {
    let reading = |error: io::Error| match SealError::of(&error) {
        Some(seal) => ObjectError::Seal(seal),
        None => ObjectError::Depot(DepotError::Disk { place: depot.shown(), source: error }),
    };
    let mut opener = Opener::new(depot.download(name)?, key).map_err(reading)?;
    let mut expected = Vec::new();
    // A name of this length fits.
    let _ = framed(name, &mut expected);
    let mut found = vec![0; expected.len()];
    match opener.read_exact(&mut found) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(reading(error)),
        Ok(()) if found == expected => {}
        _ => return Err(ObjectError::Seal(SealError::Damaged(0))),
    }
    let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
    let mut bytes = 0;
    loop {
        let read = opener.read(&mut buffer).map_err(reading)?;
        if read == 0 {
            return Ok(bytes);
        }
        into.write_all(&buffer[..read]).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => ObjectError::TooBig(limits::OBJECT_MAX >> 20),
            _ => ObjectError::Source(error),
        })?;
        bytes += read as u64;
    }
}

/// Takes so much and no more.
struct Bounded<'a> {
    into: &'a mut Vec<u8>,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.into.len() + bytes.len()) as u64 > limits::OBJECT_MAX {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        self.into.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
