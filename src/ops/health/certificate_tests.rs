use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;

use super::super::Severity;
use super::*;

/// Until 2026-12-31 23:59:59, as a UTCTime.
const NEAR: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBJjCBzaADAgECAgkAgP8A/wD/AP8wCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwO\n\
Ym94LmV4YW1wbGUuaW4wHhcNMjYwMTAxMDAwMDAwWhcNMjYxMjMxMjM1OTU5WjAZ\n\
MRcwFQYDVQQDDA5ib3guZXhhbXBsZS5pbjBZMBMGByqGSM49AgEGCCqGSM49AwEH\n\
A0IABOPcAn8o0PDdbdmOgflxKTK++JQ3HVDqMHcwZyFQHsJQljYzkbelXsy+PaTe\n\
Ekcg4K2gJdIL//yGEShKroHVpI8wCgYIKoZIzj0EAwIDSAAwRQIhAJHfRtwU7OGk\n\
JI2zKQ+n3mhesnYaBI37ienC03epKcFyAiAA7m/o90wuwk2afqrEbZcVK5T9gzvh\n\
FTaJPQQAYTzGAQ==\n\
-----END CERTIFICATE-----\n";
/// Until 2071-02-03 04:05:06, as a GeneralizedTime.
const FAR: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBJzCBz6ADAgECAgkAgP8A/wD/AP8wCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwO\n\
Ym94LmV4YW1wbGUuaW4wIBcNMjYwMTAxMDAwMDAwWhgPMjA3MTAyMDMwNDA1MDZa\n\
MBkxFzAVBgNVBAMMDmJveC5leGFtcGxlLmluMFkwEwYHKoZIzj0CAQYIKoZIzj0D\n\
AQcDQgAE49wCfyjQ8N1t2Y6B+XEpMr74lDcdUOowdzBnIVAewlCWNjORt6VezL49\n\
pN4SRyDgraAl0gv//IYRKEqugdWkjzAKBggqhkjOPQQDAgNHADBEAiBCLr6BXOcM\n\
ThE5vQEnGbOkKu5LHitrOkutmtOFUsy9YQIgDBCToYWjNDN0a16a4kvydC2M2MEC\n\
naXg3LUGfmYrNyE=\n\
-----END CERTIFICATE-----\n";

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64.decode(body).unwrap()
}

#[test]
fn both_spellings_of_the_date_are_read() {
    assert_eq!(x509::not_after(&der(NEAR)), Ok(1_798_761_599_000));
    assert_eq!(x509::not_after(&der(FAR)), Ok(3_190_161_906_000));
}

#[test]
fn every_truncated_certificate_is_refused() {
    let whole = der(NEAR);
    // The date lies in the first part; what is cut behind it is for those who check the certificate.
    for end in 0..whole.len() {
        assert!(x509::not_after(&whole[..end]).is_err(), "{end}");
    }
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = x509::not_after(&bytes);
    }

    #[test]
    fn a_certificate_with_a_wrong_byte_gives_a_date_or_none(at in 0_usize..296, byte in any::<u8>()) {
        let mut whole = der(NEAR);
        if let Some(place) = whole.get_mut(at) {
            *place = byte;
        }
        let _ = x509::not_after(&whole);
    }
}

#[test]
fn the_days_left_decide() {
    let limits = Alerts::default();
    let now = 1_800_000_000_000;
    let of = |days: u64, trusted| {
        let certificate = Certificate { until_ms: now + days * DAY_MS + 1, trusted };
        check(Ok(&certificate), now, &limits).severity
    };
    assert_eq!(of(22, Some(true)), Severity::Fine);
    assert_eq!(of(21, Some(true)), Severity::Fine);
    assert_eq!(of(20, Some(true)), Severity::Warning);
    assert_eq!(of(6, Some(true)), Severity::Error);
    assert_eq!(of(300, Some(false)), Severity::Error);
    assert_eq!(of(300, None), Severity::Fine);
    let expired = Certificate { until_ms: now, trusted: Some(false) };
    assert!(check(Ok(&expired), now, &limits).text.contains("expired"));
    assert_eq!(check(Err(&"nobody answers".to_owned()), now, &limits).severity, Severity::Warning);
}

#[test]
fn a_pem_file_is_read_or_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fullchain.pem");
    std::fs::write(&file, format!("a remark\n{NEAR}{FAR}")).unwrap();
    assert_eq!(read(&file), Ok(Certificate { until_ms: 1_798_761_599_000, trusted: None }));
    for odd in ["", "-----BEGIN CERTIFICATE-----\nAAAA", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"] {
        std::fs::write(&file, odd).unwrap();
        assert!(read(&file).is_err(), "{odd:?}");
    }
    assert!(read(&dir.path().join("none")).unwrap_err().contains("none"));
}

/// A TLS server with a certificate of its own making that holds for five days.
struct Server {
    child: Child,
    url: Url,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "5"])
            .args(["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(dir.path())
            .output()
            .expect("openssl, which ca-certificates brings along");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem", "-key", "key.pem", "-www"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map(Result::unwrap).find_map(|line| Some(line.strip_prefix("ACCEPT ")?.to_owned()));
        let url = format!("https://{}/some/path?query", address.unwrap()).parse().unwrap();
        Self { child, url, _dir: dir }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_date_of_one_who_cannot_be_trusted_is_read_and_told_so() {
    let server = Server::start();
    let seen = fetch(&server.url, Duration::from_secs(20)).await.unwrap();
    assert_eq!(seen.trusted, Some(false));
    let left = seen.until_ms - u64::try_from(crate::base::Clock::system().wall().as_millis()).unwrap();
    assert!((4 * DAY_MS..=5 * DAY_MS).contains(&left), "{left}");
}

#[tokio::test]
async fn whoever_shows_no_certificate_is_given_up_in_time() {
    // Takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url: Url = format!("https://{}", silent.local_addr().unwrap()).parse().unwrap();
    assert_eq!(fetch(&url, Duration::from_millis(300)).await, Err("nobody answers in time".to_owned()));
    drop(silent);
    assert!(fetch(&url, Duration::from_secs(5)).await.is_err(), "nobody listens there any more");
}
