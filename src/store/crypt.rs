//! Keys. The box has one master key; each database has a key of its own, kept wrapped by the master
//! key in `<state>/keys/`. Promise: without the master key nothing the box keeps can be read, and a
//! database whose key file is destroyed cannot be read by anybody, were its file in every backup.
//! Absent on purpose: what is encrypted with the keys.

use crate::base::secret::hex;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::StoreError;
use super::files;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// The systemd credential that holds the master key, 64 hexadecimal digits.
pub(super) const CREDENTIAL: &str = "vaani_master_key";
/// First bytes of a wrapped key.
const MAGIC: &[u8] = b"vaani key 1\n";

/// 32 random bytes, forgotten when dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

/// The key of the box, from which and by which all others are protected.
#[derive(Clone)]
pub struct MasterKey(DataKey);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹master key›")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹key›")
    }
}

/// Bytes of the system's random source.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl DataKey {
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// As SQLCipher takes a key that needs no derivation.
    pub(super) fn as_pragma(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_BYTES * 2 + 3));
        text.push_str("x'");
        for byte in self.0.iter() {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        text.push('\'');
        text
    }

    /// Another key for another purpose; nothing of this one can be learned from it.
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        let mut out = [0; KEY_BYTES];
        // HKDF gives up to 255 times 32 bytes.
        let _ = Hkdf::<Sha256>::new(Some(b"vaani"), &*self.0).expand(purpose.as_bytes(), &mut out);
        out
    }

    /// Encrypts and authenticates; `about` must be the same when it is opened.
    pub fn seal(&self, about: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload { msg: plain, aad: about.as_bytes() };
        let sealed = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| StoreError::Crypt(format!("{about} could not be encrypted")))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub fn open_sealed(&self, about: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let wrong = || StoreError::Crypt(format!("{about} cannot be opened: another key sealed it, or it is damaged"));
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(wrong)?;
        let payload = Payload { msg: sealed, aad: about.as_bytes() };
        let plain = self.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| wrong())?;
        Ok(Zeroizing::new(plain))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl MasterKey {
    /// From the systemd credential `vaani_master_key`, else from `<state>/master.key`, which is made
    /// at the first start.
    pub fn load(state: &Path) -> Result<Self, StoreError> {
        if let Some(dir) = std::env::var_os("CREDENTIALS_DIRECTORY") {
            let path = Path::new(&dir).join(CREDENTIAL);
            if path.exists() {
                return Self::read(&path);
            }
        }
        let path = Self::path(state);
        if path.exists() {
            return Self::read(&path);
        }
        if state.join("keys").join("system.key").exists() {
            return Err(StoreError::Crypt(format!(
                "there is no master key: put {} back, or give the credential {CREDENTIAL}; without it nothing kept in {} can be read",
                path.display(),
                state.display()
            )));
        }
        let fresh = Self(DataKey::random()?);
        place(&path, fresh.to_hex().as_bytes())?;
        // Whoever came first has made the key that counts.
        Self::read(&path)
    }

    /// Where the key lies when no credential gives it.
    pub fn path(state: &Path) -> PathBuf {
        state.join("master.key")
    }

    /// 64 hexadecimal digits of a file.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let bytes = files::read(path, 1_024)
            .map_err(|error| StoreError::Crypt(format!("the master key {} cannot be read: {error}", path.display())))?;
        let text = Zeroizing::new(String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default());
        Self::from_hex(text.trim()).map_err(|_| {
            StoreError::Crypt(format!("{} is no master key: it has 64 hexadecimal digits", path.display()))
        })
    }

    pub fn from_hex(text: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::Crypt("a master key has 64 hexadecimal digits".to_owned());
        let digits = text.as_bytes();
        if digits.len() != KEY_BYTES * 2 {
            return Err(wrong());
        }
        let mut key = Zeroizing::new([0_u8; KEY_BYTES]);
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(wrong);
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(DataKey(key)))
    }

    fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(&*self.0.0))
    }

    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        self.0.derive(purpose)
    }

    pub fn seal(&self, about: &str, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.0.seal(about, plain)
    }

    pub fn open_sealed(&self, about: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.0.open_sealed(about, sealed)
    }

    /// The key of a database, made when it is asked for the first time.
    pub(super) fn database_key(&self, state: &Path, name: &str) -> Result<DataKey, StoreError> {
        let path = key_path(state, name);
        if let Some(key) = self.kept_key(&path, name)? {
            return Ok(key);
        }
        let sealed = self.seal(&format!("key of {name}"), &*DataKey::random()?.0)?;
        files::own_folder(&state.join("keys"))?;
        place(&path, &[MAGIC, &sealed].concat())?;
        self.kept_key(&path, name)?.ok_or(StoreError::NotFound("the key that was just written"))
    }

    /// The key of a database, if it has one.
    pub(super) fn existing_key(&self, state: &Path, name: &str) -> Result<Option<DataKey>, StoreError> {
        self.kept_key(&key_path(state, name), name)
    }

    fn kept_key(&self, path: &Path, name: &str) -> Result<Option<DataKey>, StoreError> {
        let Some(bytes) = files::read(path, 1_024)? else { return Ok(None) };
        let damaged = || StoreError::Crypt(format!("{} is damaged; restore it from a backup", path.display()));
        let sealed = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let plain = self.open_sealed(&format!("key of {name}"), sealed).map_err(|_| {
            StoreError::Crypt(format!("{} was made with another master key, or is damaged", path.display()))
        })?;
        let key: [u8; KEY_BYTES] = plain.as_slice().try_into().map_err(|_| damaged())?;
        Ok(Some(DataKey(Zeroizing::new(key))))
    }
}

fn key_path(state: &Path, name: &str) -> PathBuf {
    state.join("keys").join(format!("{name}.key"))
}

/// Overwrites and removes the key of a database: what it encrypted is gone.
pub(super) fn destroy_key(state: &Path, name: &str) -> io::Result<()> {
    let path = key_path(state, name);
    let length = match fs::metadata(&path) {
        Ok(about) => usize::try_from(about.len()).unwrap_or(1_024),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut file = OpenOptions::new().write(true).open(&path)?;
    for chunk in vec![0_u8; length].chunks(32) {
        file.write_all(&random::<32>()?[..chunk.len()])?;
    }
    file.sync_all()?;
    fs::remove_file(&path)?;
    File::open(state.join("keys"))?.sync_all()
}

/// Puts a new file in its place unless there is one already: two processes agree on the first.
fn place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let tail = hex(&random::<8>()?);
    let fresh = path.with_extension(tail);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_purpose_only() {
        let (one, other) = (DataKey::random().unwrap(), DataKey::random().unwrap());
        let sealed = one.seal("a", b"words").unwrap();
        assert_eq!(&**one.open_sealed("a", &sealed).unwrap(), b"words");
        assert!(one.open_sealed("b", &sealed).is_err());
        assert!(other.open_sealed("a", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(one.open_sealed("a", &bent).is_err(), "byte {at}");
            assert!(one.open_sealed("a", &sealed[..at]).is_err(), "cut at {at}");
        }
        assert_ne!(one.seal("a", b"words").unwrap(), sealed, "never the same twice");
    }

    #[test]
    fn a_master_key_is_made_once_and_a_lost_one_is_said() {
        let state = tempfile::tempdir().unwrap();
        let made = MasterKey::load(state.path()).unwrap();
        assert_eq!(MasterKey::load(state.path()).unwrap().derive("x"), made.derive("x"));
        assert_ne!(made.derive("x"), made.derive("y"));
        let key = made.database_key(state.path(), "system").unwrap();
        assert_eq!(*made.database_key(state.path(), "system").unwrap().as_pragma(), *key.as_pragma());
        assert_eq!(key.as_pragma().len(), 67);
        fs::remove_file(MasterKey::path(state.path())).unwrap();
        let error = MasterKey::load(state.path()).unwrap_err().to_string();
        assert!(error.contains("put") && error.contains("back"), "{error}");
        let stranger = MasterKey::from_hex(&"ab".repeat(32)).unwrap();
        let error = stranger.database_key(state.path(), "system").unwrap_err().to_string();
        assert!(error.contains("another master key"), "{error}");
        for wrong in ["", "ab", &"xy".repeat(32), &"é".repeat(32)] {
            assert!(MasterKey::from_hex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_destroyed_key_is_gone() {
        let state = tempfile::tempdir().unwrap();
        let master = MasterKey::load(state.path()).unwrap();
        let before = master.database_key(state.path(), "t").unwrap();
        destroy_key(state.path(), "t").unwrap();
        destroy_key(state.path(), "t").unwrap();
        assert_ne!(*master.database_key(state.path(), "t").unwrap().as_pragma(), *before.as_pragma());
    }
}
