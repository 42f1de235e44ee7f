//! Where sealed files lie: a folder of this machine, or a bucket of an S3-compatible store.
//!
//! Promise: under a name stands a whole file or none, whatever dies meanwhile; what was put is durable
//! when [`Upload::finish`] returns. Memory does not grow with the file. All calls wait for disk or
//! network and belong on a thread that may wait, never into async code.
//!
//! The folder is written with the standard library: `object_store`'s own folder renames without having
//! synced. Absent on purpose: encryption (`sealed.rs`; what comes here is closed) and what the names mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Name;
use object_store::{BackoffConfig, Certificate, ClientOptions, MultipartUpload, ObjectStore, PutPayload, RetryConfig};
use rustix::fs::{FlockOperation, flock};
use tokio::runtime::Handle;

use super::crypt::random;
use crate::base::limits;
use crate::base::secret::hex;
use crate::config::{Address, S3};

#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    #[error("there is no {0}")]
    NoSuch(String),
    #[error("{0:?} is no name for a kept file")]
    Name(String),
    #[error("the disk of {0} is full; make room on it")]
    Full(String),
    #[error("{place} cannot be used: {source}")]
    Disk { place: String, source: io::Error },
    /// Asking again does not help.
    #[error("{place} refused: {detail}")]
    Refused { place: String, detail: String },
    /// Tried several times.
    #[error("{place} did not do it: {detail}")]
    Unreachable { place: String, detail: String },
}

impl DepotError {
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    fn disk(place: &Path, source: io::Error) -> Self {
        let place = place.display().to_string();
        if source.kind() == io::ErrorKind::StorageFull { Self::Full(place) } else { Self::Disk { place, source } }
    }
}

/// A file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub name: String,
    pub bytes: u64,
    /// When it was put there.
    pub unix_ms: u64,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Depot(Place);

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    Bucket(Bucket),
}

#[derive(Clone, Debug)]
struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
    shown: String,
    runtime: Handle,
}

/// Names become file names and parts of URLs.
fn check(name: &str) -> Result<(), DepotError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let mut parts = name.split('/');
    let good = name.len() <= limits::DEPOT_NAME_MAX
        && name.split('/').count() <= limits::DEPOT_NAME_PARTS_MAX
        && parts.all(|part| !part.is_empty() && part.len() <= 200 && !part.starts_with('.') && part.chars().all(plain));
    if good { Ok(()) } else { Err(DepotError::Name(name.to_owned())) }
}

impl Depot {
    pub const fn folder(path: PathBuf) -> Self {
        Self(Place::Folder(path))
    }

    /// A bucket needs the tokio runtime it is opened in for as long as it is used.
    pub fn open(address: &Address, s3: &S3) -> Result<Self, DepotError> {
        match address {
            Address::Folder(path) => Ok(Self::folder(path.clone())),
            Address::Bucket { name, prefix } => {
                let shown = address.to_string();
                let wrong = |detail: String| DepotError::Refused { place: shown.clone(), detail };
                let runtime = Handle::try_current().map_err(|_| wrong("no runtime is there to reach it".to_owned()))?;
                let store = client(name, s3).map_err(|error| wrong(error.to_string()))?;
                Ok(Self(Place::Bucket(Bucket { store: Arc::new(store), prefix: prefix.clone(), shown, runtime })))
            }
        }
    }

    /// As it is written in the settings; holds no secret.
    pub fn shown(&self) -> String {
        match &self.0 {
            Place::Folder(path) => Address::Folder(path.clone()).to_string(),
            Place::Bucket(bucket) => bucket.shown.clone(),
        }
    }

    /// The folder, if it is one of this machine.
    pub fn local(&self) -> Option<&Path> {
        match &self.0 {
            Place::Folder(path) => Some(path),
            Place::Bucket(_) => None,
        }
    }

    /// A file on its way to `name`; one that stands there already is replaced at the end.
    pub fn upload(&self, name: &str) -> Result<Upload, DepotError> {
        check(name)?;
        let way = match &self.0 {
            Place::Folder(folder) => Way::File(Part::new(folder, name).map_err(|e| DepotError::disk(folder, e))?),
            Place::Bucket(bucket) => Way::Parts(Parts {
                bucket: bucket.clone(),
                name: bucket.name(name)?,
                gathered: Vec::new(),
                multipart: None,
            }),
        };
        Ok(Upload { way, bytes: 0, place: self.shown() })
    }

    pub fn download(&self, name: &str) -> Result<Download, DepotError> {
        check(name)?;
        match &self.0 {
            Place::Folder(folder) => {
                let path = folder.join(name);
                let file = File::open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => DepotError::NoSuch(name.to_owned()),
                    _ => DepotError::disk(&path, error),
                })?;
                let about = file.metadata().map_err(|error| DepotError::disk(&path, error))?;
                if !about.is_file() {
                    return Err(DepotError::NoSuch(name.to_owned()));
                }
                Ok(Download { bytes: about.len(), source: Source::File(file) })
            }
            Place::Bucket(bucket) => {
                let got = bucket.wait(name, bucket.store.get(&bucket.name(name)?))?;
                let bytes = got.meta.size;
                let source =
                    Source::Stream { runtime: bucket.runtime.clone(), stream: got.into_stream(), piece: Bytes::new() };
                Ok(Download { bytes, source })
            }
        }
    }

    /// False: it was not there.
    pub fn delete(&self, name: &str) -> Result<bool, DepotError> {
        check(name)?;
        match &self.0 {
            Place::Folder(folder) => {
                let path = folder.join(name);
                match fs::remove_file(&path) {
                    Ok(()) => {
                        remove_empty(folder, path.parent());
                        Ok(true)
                    }
                    Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                        Ok(false)
                    }
                    Err(error) => Err(DepotError::disk(&path, error)),
                }
            }
            Place::Bucket(bucket) => {
                let at = bucket.name(name)?;
                match bucket.wait(name, async {
                    // S3 says nothing of files that were not there.
                    bucket.store.head(&at).await?;
                    bucket.store.delete(&at).await
                }) {
                    Ok(()) => Ok(true),
                    Err(DepotError::NoSuch(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Names below `under` (a folder's name, or empty for all), in order, at most
    /// [`limits::DEPOT_LISTED_MAX`], those after `after` only.
    pub fn list(&self, under: &str, after: Option<&str>) -> Result<Vec<Kept>, DepotError> {
        if !under.is_empty() {
            check(under)?;
        }
        let mut found = match &self.0 {
            Place::Folder(folder) => walk(folder, under, after).map_err(|error| DepotError::disk(folder, error))?,
            Place::Bucket(bucket) => bucket.list(under, after)?,
        };
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.truncate(limits::DEPOT_LISTED_MAX);
        Ok(found)
    }

    /// Removes what uploads that died left behind. In a bucket that is the business of its own rule
    /// for unfinished uploads.
    pub fn sweep(&self) -> usize {
        let Place::Folder(folder) = &self.0 else { return 0 };
        let mut removed = 0;
        let _ = each_file(folder, &mut |path, about| {
            if is_part(path) && is_abandoned(path) && about.is_file() && fs::remove_file(path).is_ok() {
                removed += 1;
            }
        });
        removed
    }
}

fn client(bucket: &str, s3: &S3) -> object_store::Result<AmazonS3> {
    let mut options = ClientOptions::new()
        .with_timeout(limits::DEPOT_REQUEST_MAX)
        .with_connect_timeout(limits::DEPOT_CONNECT_MAX)
        .with_allow_http(s3.allow_http);
    for root in Certificate::from_pem_bundle(s3.roots.pem())? {
        options = options.with_root_certificate(root);
    }
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: limits::DEPOT_RETRIES_MAX,
        retry_timeout: limits::DEPOT_RETRY_FOR,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&s3.region)
        .with_virtual_hosted_style_request(!s3.path_style)
        .with_client_options(options)
        .with_retry(retry);
    if let Some(endpoint) = &s3.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let (Some(id), Some(key)) = (&s3.access_key_id, &s3.secret_access_key) {
        builder = builder.with_access_key_id(id).with_secret_access_key(key.expose());
    }
    builder.build()
}

impl Bucket {
    fn name(&self, name: &str) -> Result<Name, DepotError> {
        let whole = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Name::parse(&whole).map_err(|_| DepotError::Name(name.to_owned()))
    }

    fn wait<T>(&self, name: &str, work: impl Future<Output = object_store::Result<T>>) -> Result<T, DepotError> {
        self.runtime.block_on(work).map_err(|error| self.told(name, error))
    }

    fn told(&self, name: &str, error: object_store::Error) -> DepotError {
        use object_store::Error;
        let place = self.shown.clone();
        match error {
            Error::NotFound { .. } => DepotError::NoSuch(name.to_owned()),
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => DepotError::Refused {
                place,
                detail: "the access key does not fit or may not do it; look at access_key_id, secret_access_key and the bucket's policy".to_owned(),
            },
            other => DepotError::Unreachable { place, detail: chain(&other) },
        }
    }

    fn list(&self, under: &str, after: Option<&str>) -> Result<Vec<Kept>, DepotError> {
        let at = match (self.prefix.as_str(), under) {
            ("", "") => None,
            (prefix, "") => Name::parse(prefix).ok(),
            (_, under) => Some(self.name(under)?),
        };
        let cut = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let after = after.map(|name| self.name(name)).transpose()?;
        let stream = match &after {
            Some(after) => self.store.list_with_offset(at.as_ref(), after),
            None => self.store.list(at.as_ref()),
        };
        let listed: Vec<_> = self.wait(under, stream.take(limits::DEPOT_LISTED_MAX).try_collect())?;
        let kept = listed.into_iter().filter_map(|about| {
            let name = about.location.as_ref().get(cut..)?.to_owned();
            // What others have put there under odd names is not ours.
            check(&name).ok()?;
            let unix_ms = u64::try_from(about.last_modified.timestamp_millis()).unwrap_or(0);
            Some(Kept { name, bytes: about.size, unix_ms })
        });
        Ok(kept.collect())
    }
}

/// An error with its causes, which `object_store` leaves out. A URL in it may hold a signature: cut.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    let mut shown: String = text.split('?').next().unwrap_or_default().chars().take(400).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What is written here stands under its name after [`Upload::finish`]; dropped before, it is gone.
pub struct Upload {
    way: Way,
    bytes: u64,
    place: String,
}

enum Way {
    File(Part),
    Parts(Parts),
}

impl Upload {
    /// Bytes written.
    pub fn finish(mut self) -> Result<u64, DepotError> {
        let bytes = self.bytes;
        match &mut self.way {
            Way::File(part) => part.finish().map_err(|error| DepotError::disk(Path::new(&self.place), error))?,
            Way::Parts(parts) => parts.finish()?,
        }
        Ok(bytes)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.way {
            Way::File(part) => part.file.write(bytes)?,
            Way::Parts(parts) => parts.write(bytes)?,
        };
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file under a name nobody asks for, until it is whole.
struct Part {
    file: File,
    part: Option<PathBuf>,
    target: PathBuf,
}

const PART_END: &str = ".part";

impl Part {
    fn new(folder: &Path, name: &str) -> io::Result<Self> {
        let target = folder.join(name);
        let parent = target.parent().unwrap_or(folder).to_owned();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&parent)?;
        let own = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        loop {
            let tail = hex(&random::<6>()?);
            let part = parent.join(format!(".{own}.{tail}{PART_END}"));
            let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part)?;
            // Held for as long as the upload lives: a part without its lock was abandoned.
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            // A sweep may have come in between.
            if file.metadata()?.nlink() > 0 {
                like_its_folder(&file, &parent);
                return Ok(Self { file, part: Some(part), target });
            }
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let Some(part) = &self.part else { return Ok(()) };
        fs::rename(part, &self.target)?;
        self.part = None;
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            drop(fs::remove_file(part));
        }
    }
}

/// What root writes into a folder of the daemon's belongs to the daemon.
pub(super) fn like_its_folder(file: &File, folder: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Ok(about) = fs::metadata(folder) {
        let (uid, gid) = (about.uid(), about.gid());
        let given = std::os::unix::fs::fchown(file, Some(uid), Some(gid));
        if let Err(error) = given {
            tracing::debug!(%error, "a new file stays root's");
        }
    }
}

fn is_part(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with('.') && n.ends_with(PART_END))
}

fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// A file of a bucket: in one request if it is small, in parts if it is not.
struct Parts {
    bucket: Bucket,
    name: Name,
    gathered: Vec<u8>,
    multipart: Option<Box<dyn MultipartUpload>>,
}

impl Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gathered.len() >= limits::DEPOT_PART {
            self.send().map_err(io::Error::other)?;
        }
        let taken = bytes.len().min(limits::DEPOT_PART - self.gathered.len());
        self.gathered.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn send(&mut self) -> Result<(), DepotError> {
        let (bucket, name) = (self.bucket.clone(), self.name.clone());
        if self.multipart.is_none() {
            self.multipart = Some(bucket.wait(name.as_ref(), bucket.store.put_multipart(&name))?);
        }
        let payload = PutPayload::from(std::mem::take(&mut self.gathered));
        match &mut self.multipart {
            Some(multipart) => bucket.wait(name.as_ref(), multipart.put_part(payload)),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), DepotError> {
        if self.multipart.is_none() {
            let payload = PutPayload::from(std::mem::take(&mut self.gathered));
            return self.bucket.wait(self.name.as_ref(), self.bucket.store.put(&self.name, payload)).map(drop);
        }
        if !self.gathered.is_empty() {
            self.send()?;
        }
        let Some(multipart) = &mut self.multipart else { return Ok(()) };
        self.bucket.wait(self.name.as_ref(), multipart.complete())?;
        self.multipart = None;
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Some(mut multipart) = self.multipart.take() {
            // Parts that nobody completes are paid for until they are told to go.
            if let Err(error) = self.bucket.wait(self.name.as_ref(), multipart.abort()) {
                tracing::warn!(%error, "an upload that was given up could not be removed from its bucket");
            }
        }
    }
}

/// A kept file as it is read.
pub struct Download {
    pub bytes: u64,
    source: Source,
}

enum Source {
    File(File),
    Stream { runtime: Handle, stream: BoxStream<'static, object_store::Result<Bytes>>, piece: Bytes },
}

impl Read for Download {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::File(file) => file.read(into),
            Source::Stream { runtime, stream, piece } => {
                while piece.is_empty() {
                    match runtime.block_on(stream.next()) {
                        Some(Ok(next)) => *piece = next,
                        Some(Err(error)) => return Err(io::Error::other(chain(&error))),
                        None => return Ok(0),
                    }
                }
                let taken = into.len().min(piece.len());
                into[..taken].copy_from_slice(&piece[..taken]);
                piece.advance(taken);
                Ok(taken)
            }
        }
    }
}

/// Visits every regular file below `folder`; links are not followed, what vanishes is left out.
fn each_file(folder: &Path, visit: &mut impl FnMut(&Path, &fs::Metadata)) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => each_file(&path, visit)?,
            Ok(about) if about.is_file() => visit(&path, &about),
            _ => {}
        }
    }
    Ok(())
}

fn walk(folder: &Path, under: &str, after: Option<&str>) -> io::Result<Vec<Kept>> {
    let mut found = Vec::new();
    each_file(&folder.join(under), &mut |path, about| {
        let Some(name) = path.strip_prefix(folder).ok().and_then(Path::to_str) else { return };
        if check(name).is_err() || after.is_some_and(|after| name <= after) {
            return;
        }
        let unix_ms = about.mtime().saturating_mul(1_000).saturating_add(about.mtime_nsec() / 1_000_000);
        found.push(Kept { name: name.to_owned(), bytes: about.len(), unix_ms: u64::try_from(unix_ms).unwrap_or(0) });
        // Enough for one listing, without holding millions of names.
        if found.len() >= 2 * limits::DEPOT_LISTED_MAX {
            found.sort_by(|a: &Kept, b: &Kept| a.name.cmp(&b.name));
            found.truncate(limits::DEPOT_LISTED_MAX);
        }
    })?;
    Ok(found)
}

/// Folders that hold nothing any more, up to the depot's own.
fn remove_empty(depot: &Path, mut folder: Option<&Path>) {
    while let Some(path) = folder {
        if path == depot || !path.starts_with(depot) || fs::remove_dir(path).is_err() {
            return;
        }
        folder = path.parent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(depot: &Depot, name: &str, bytes: &[u8]) {
        let mut upload = depot.upload(name).unwrap();
        upload.write_all(bytes).unwrap();
        assert_eq!(upload.finish().unwrap(), bytes.len() as u64);
    }

    fn get(depot: &Depot, name: &str) -> Result<Vec<u8>, DepotError> {
        let mut bytes = Vec::new();
        depot.download(name)?.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    }

    fn names(depot: &Depot, under: &str) -> Vec<String> {
        depot.list(under, None).unwrap().into_iter().map(|kept| kept.name).collect()
    }

    fn files(folder: &Path) -> usize {
        let mut count = 0;
        each_file(folder, &mut |_, _| count += 1).unwrap();
        count
    }

    #[test]
    fn a_folder_keeps_lists_gives_and_removes() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::folder(dir.path().join("objects"));
        assert_eq!(names(&depot, ""), Vec::<String>::new());
        put(&depot, "a/b/one", b"1");
        put(&depot, "a/c/two", b"22");
        put(&depot, "z", b"");
        put(&depot, "z", b"again");
        assert_eq!(names(&depot, ""), ["a/b/one", "a/c/two", "z"]);
        assert_eq!(names(&depot, "a/c"), ["a/c/two"]);
        assert_eq!(depot.list("", Some("a/b/one")).unwrap().len(), 2);
        assert_eq!(get(&depot, "z").unwrap(), b"again");
        assert!(matches!(get(&depot, "a"), Err(DepotError::NoSuch(_))));
        assert!(matches!(get(&depot, "z/x"), Err(DepotError::NoSuch(_))));
        assert!(depot.delete("a/b/one").unwrap() && !depot.delete("a/b/one").unwrap());
        assert!(!dir.path().join("objects/a/b").exists() && dir.path().join("objects/a/c").exists());
        let about = fs::metadata(dir.path().join("objects/z")).unwrap();
        assert_eq!((about.mode() & 0o777, about.len()), (0o600, 5));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::folder(dir.path().to_owned());
        let long = "a/".repeat(16) + "a";
        for wrong in ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a\\b", "a b", "a\0", "é", &long] {
            assert!(matches!(depot.upload(wrong), Err(DepotError::Name(_))), "{wrong:?}");
            assert!(matches!(depot.download(wrong), Err(DepotError::Name(_))), "{wrong:?}");
            assert!(matches!(depot.delete(wrong), Err(DepotError::Name(_))), "{wrong:?}");
        }
    }

    #[test]
    fn an_upload_that_is_given_up_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let depot = Depot::folder(dir.path().to_owned());
        put(&depot, "a/x", b"old");
        let mut upload = depot.upload("a/x").unwrap();
        upload.write_all(b"new, but not to its end").unwrap();
        assert_eq!(depot.sweep(), 0, "a living upload is nobody's to remove");
        assert_eq!(files(dir.path()), 2);
        drop(upload);
        assert_eq!(files(dir.path()), 1);
        assert_eq!(get(&depot, "a/x").unwrap(), b"old");
        // What a killed process left.
        fs::write(dir.path().join("a/.x.0123.part"), "half").unwrap();
        assert_eq!(names(&depot, ""), ["a/x"]);
        assert_eq!((depot.sweep(), files(dir.path())), (1, 1));
    }

    #[test]
    fn a_full_disk_is_told_as_one() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(DepotError::disk(Path::new("/x"), full).is_full());
        assert!(!DepotError::disk(Path::new("/x"), io::Error::other("x")).is_full());
    }
}
