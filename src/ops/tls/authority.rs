//! The box's own certificate authority and the certificate it makes for the box.
//!
//! Both lie in `tls/` of the state directory, readable by the daemon's user alone. A certificate holds for
//! less than the 825 days that clients accept of a private authority and is made anew when its end is near
//! or the box gets other names. The authority's own is what people install; it is made once.

use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::base::Clock;

const DAY_MS: u64 = 24 * 3_600 * 1_000;
/// How long a certificate holds, days; clients accept 825.
const LEAF_DAYS: u64 = 820;
/// It is made anew when it holds for fewer days than this.
const RENEW_DAYS: u64 = 60;
/// The authority's own, days.
const AUTHORITY_DAYS: u64 = 20 * 365;
/// Clocks of browsers may be behind by so much, days.
const SLACK_DAYS: u64 = 2;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} could not be used: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error("the certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate could not be used: {0}")]
    Use(#[from] rustls::Error),
    #[error("{} holds no certificate or key; remove it, and a new one is made", .0.display())]
    Damaged(PathBuf),
}

/// What the certificate is for; kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Leaf {
    names: Vec<String>,
    /// Milliseconds since 1970.
    until_ms: u64,
}

/// The files of the authority.
#[derive(Clone, Debug)]
pub struct Authority {
    dir: PathBuf,
}

/// What the listener shows; renewed while it runs.
#[derive(Debug)]
pub struct Identity {
    authority: Authority,
    key: RwLock<Arc<CertifiedKey>>,
}

impl Authority {
    /// Opens it under the state directory; makes it at the first start.
    pub fn open(state: &Path, host: &str, clock: Clock) -> Result<Self, TlsError> {
        let dir = state.join("tls");
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|error| TlsError::File { path: dir.clone(), error })?;
        let authority = Self { dir };
        let (key, certificate) = (authority.path("ca.key"), authority.path("ca.crt"));
        if !key.exists() || !certificate.exists() {
            let pair = KeyPair::generate()?;
            let params = authority_params(host, clock.wall_ms());
            let made = params.self_signed(&pair)?;
            keep(&key, &pair.serialize_pem())?;
            keep(&certificate, &made.pem())?;
        }
        Ok(authority)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn read(&self, name: &str) -> Result<String, TlsError> {
        let path = self.path(name);
        std::fs::read_to_string(&path).map_err(|error| TlsError::File { path, error })
    }

    /// What browsers must trust, as PEM.
    pub fn certificate(&self) -> Result<String, TlsError> {
        self.read("ca.crt")
    }

    /// The certificate for these names: the kept one if it will do, else a new one.
    fn leaf(&self, names: &[String], now_ms: u64) -> Result<CertifiedKey, TlsError> {
        let kept = self.read("leaf.json").ok().and_then(|text| serde_json::from_str::<Leaf>(&text).ok());
        let will_do = kept.is_some_and(|leaf| leaf.names == names && leaf.until_ms > now_ms + RENEW_DAYS * DAY_MS);
        if will_do && let Ok(key) = self.load() {
            return Ok(key);
        }
        self.make(names, now_ms)?;
        self.load()
    }

    fn make(&self, names: &[String], now_ms: u64) -> Result<(), TlsError> {
        let issuer_key = KeyPair::from_pem(&self.read("ca.key")?)?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate()?, issuer_key)?;
        let pair = KeyPair::generate()?;
        let until_ms = now_ms + LEAF_DAYS * DAY_MS;
        let made = leaf_params(names, now_ms, until_ms).signed_by(&pair, &issuer)?;
        // The description last: without it the certificate is made again.
        let _ = std::fs::remove_file(self.path("leaf.json"));
        keep(&self.path("leaf.key"), &pair.serialize_pem())?;
        keep(&self.path("leaf.crt"), &format!("{}{}", made.pem(), self.certificate()?))?;
        let leaf = Leaf { names: names.to_vec(), until_ms };
        keep(&self.path("leaf.json"), &serde_json::to_string(&leaf).unwrap_or_default())?;
        tracing::info!(names = names.len(), days = LEAF_DAYS, "the box made itself a certificate");
        Ok(())
    }

    fn load(&self) -> Result<CertifiedKey, TlsError> {
        let damaged = |name| TlsError::Damaged(self.path(name));
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(self.read("leaf.crt")?.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| damaged("leaf.crt"))?;
        if chain.is_empty() {
            return Err(damaged("leaf.crt"));
        }
        let key = PrivateKeyDer::from_pem_slice(self.read("leaf.key")?.as_bytes()).map_err(|_| damaged("leaf.key"))?;
        Ok(CertifiedKey::from_der(chain, key, &ring::default_provider())?)
    }
}

impl Identity {
    /// `names`: host names and addresses the box is reached by.
    pub fn new(authority: Authority, names: &[String], clock: Clock) -> Result<Self, TlsError> {
        let key = authority.leaf(names, clock.wall_ms())?;
        Ok(Self { authority, key: RwLock::new(Arc::new(key)) })
    }

    /// Looks whether another certificate is due; called every now and then.
    pub fn renew(&self, names: &[String], clock: Clock) -> Result<(), TlsError> {
        let key = self.authority.leaf(names, clock.wall_ms())?;
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
        Ok(())
    }

    /// For the listener.
    pub fn settings(self: Arc<Self>) -> Result<rustls::ServerConfig, TlsError> {
        let mut settings = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self);
        settings.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(settings)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Whole or not at all, for the daemon's user alone.
fn keep(path: &Path, text: &str) -> Result<(), TlsError> {
    let write = || {
        let fresh = path.with_extension("new");
        let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().map_err(|error| TlsError::File { path: path.to_owned(), error })
}

/// Year, month and day.
fn day_of(ms: u64) -> (i32, u8, u8) {
    let stamp = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(0)).unwrap_or_default();
    let day = stamp.to_zoned(jiff::tz::TimeZone::UTC).date();
    let number = |n: i8| u8::try_from(n).unwrap_or(1);
    (i32::from(day.year()), number(day.month()), number(day.day()))
}

fn hold(params: &mut CertificateParams, from_ms: u64, until_ms: u64) {
    let (year, month, day) = day_of(from_ms);
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = day_of(until_ms);
    params.not_after = rcgen::date_time_ymd(year, month, day);
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name.chars().take(60).collect::<String>());
    named.push(DnType::OrganizationName, "vaani");
    named
}

fn authority_params(host: &str, now_ms: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    // With the time in it: browsers keep two authorities of one name apart badly.
    params.distinguished_name = named(&format!("vaani {host} {}", now_ms / 1_000));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    hold(&mut params, now_ms.saturating_sub(SLACK_DAYS * DAY_MS), now_ms + AUTHORITY_DAYS * DAY_MS);
    params
}

fn leaf_params(names: &[String], now_ms: u64, until_ms: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(names.first().map_or("vaani", String::as_str));
    params.subject_alt_names = names
        .iter()
        .filter_map(|name| match name.parse::<IpAddr>() {
            Ok(ip) => Some(SanType::IpAddress(ip)),
            Err(_) => name.as_str().try_into().ok().map(SanType::DnsName),
        })
        .collect();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    hold(&mut params, now_ms.saturating_sub(SLACK_DAYS * DAY_MS), until_ms);
    params
}

/// How often [`Identity::renew`] is worth a call.
pub const LOOK: Duration = Duration::from_secs(6 * 3_600);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names() -> Vec<String> {
        ["box", "box.local", "localhost", "192.168.1.20", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
    }

    fn identity(state: &Path, names: &[String]) -> Identity {
        let clock = Clock::system();
        Identity::new(Authority::open(state, "box", clock).unwrap(), names, clock).unwrap()
    }

    fn shown(identity: &Identity) -> Vec<u8> {
        identity.key.read().unwrap().cert[0].to_vec()
    }

    #[test]
    fn it_is_made_once_and_kept_for_us_alone() {
        let state = tempfile::tempdir().unwrap();
        let first = identity(state.path(), &names());
        for entry in std::fs::read_dir(state.path().join("tls")).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
        let again = identity(state.path(), &names());
        assert_eq!(shown(&first), shown(&again));
        let authority = first.authority.certificate().unwrap();
        assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(!authority.contains("PRIVATE"));
    }

    #[test]
    fn other_names_or_its_end_make_a_new_one_of_the_same_authority() {
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let first = identity(state.path(), &names());
        let (before, authority) = (shown(&first), first.authority.certificate().unwrap());
        let mut more = names();
        more.push("10.0.0.9".to_owned());
        first.renew(&more, clock).unwrap();
        let renewed = shown(&first);
        assert_ne!(before, renewed);
        first.renew(&more, clock).unwrap();
        assert_eq!(shown(&first), renewed, "not without need");
        let late = clock.wall_ms() + (LEAF_DAYS - RENEW_DAYS + 1) * DAY_MS;
        first.authority.leaf(&more, late).unwrap();
        assert_ne!(first.authority.load().unwrap().cert[0].to_vec(), renewed);
        assert_eq!(first.authority.certificate().unwrap(), authority);
    }

    #[test]
    fn a_damaged_certificate_is_made_anew_and_a_damaged_authority_is_told() {
        let state = tempfile::tempdir().unwrap();
        drop(identity(state.path(), &names()));
        std::fs::write(state.path().join("tls/leaf.crt"), "half a certifi").unwrap();
        drop(identity(state.path(), &names()));
        std::fs::write(state.path().join("tls/ca.key"), "nothing").unwrap();
        std::fs::remove_file(state.path().join("tls/leaf.json")).unwrap();
        let clock = Clock::system();
        let error = Identity::new(Authority::open(state.path(), "box", clock).unwrap(), &names(), clock);
        assert!(error.is_err());
    }

    /// A client that trusts the authority and nothing else.
    #[test]
    fn the_chain_holds_for_every_name() {
        use rustls::client::danger::ServerCertVerifier as _;
        let state = tempfile::tempdir().unwrap();
        let identity = identity(state.path(), &names());
        let mut roots = rustls::RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(identity.authority.certificate().unwrap().as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let key = Arc::clone(&identity.key.read().unwrap());
        let now = rustls::pki_types::UnixTime::since_unix_epoch(Clock::system().wall());
        for (name, good) in
            [("box.local", true), ("localhost", true), ("192.168.1.20", true), ("::1", true), ("evil.example", false)]
        {
            let server = rustls::pki_types::ServerName::try_from(name).unwrap();
            let verdict = verifier.verify_server_cert(&key.cert[0], &key.cert[1..], &server, &[], now);
            assert_eq!(verdict.is_ok(), good, "{name}: {verdict:?}");
        }
    }
}
