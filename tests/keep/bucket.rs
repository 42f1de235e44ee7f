//! Depot and objects in a bucket: signatures, parts, pages, and a store that is slow, torn or refuses.

use std::io::{Read, Write};
use std::path::Path;

use axum::http::Method;
use vaani::base::secret::Secret;
use vaani::base::{CallId, Clock, TenantId};
use vaani::config::{Address, Roots, S3 as Settings};
use vaani::delivery::objects::{Key, Kind, Objects};
use vaani::store::Vault;
use vaani::store::crypt::MasterKey;
use vaani::store::depot::{Depot, DepotError};

use crate::private_ca;
use crate::s3::{ACCESS_KEY, BUCKET, Fault, REGION, S3, SECRET_KEY};

fn settings(s3: &S3, secret: &str) -> Settings {
    Settings {
        endpoint: Some(s3.endpoint()),
        region: REGION.into(),
        access_key_id: Some(ACCESS_KEY.into()),
        secret_access_key: Some(Secret::new(secret)),
        path_style: true,
        allow_http: true,
        roots: Roots::default(),
    }
}

fn depot(s3: &S3, secret: &str) -> Depot {
    let address = Address::Bucket { name: BUCKET.into(), prefix: "box/one".into() };
    Depot::open(&address, &settings(s3, secret)).unwrap()
}

/// On a thread that may wait, as the daemon does it.
async fn wait<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn put(depot: &Depot, name: &str, bytes: &[u8]) -> Result<u64, DepotError> {
    let mut upload = depot.upload(name)?;
    for piece in bytes.chunks(1 << 20) {
        upload.write_all(piece).map_err(|source| DepotError::Disk { place: "the upload".into(), source })?;
    }
    upload.finish()
}

fn get(depot: &Depot, name: &str) -> Result<Vec<u8>, DepotError> {
    let mut bytes = Vec::new();
    depot.download(name)?.read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn a_bucket_behind_an_authority_of_the_sites_own_is_reached_by_whoever_trusts_it() {
    let s3 = S3::start();
    let (ca, at) = private_ca::in_front_of(s3.listens());
    let address = Address::Bucket { name: BUCKET.into(), prefix: String::new() };
    let open = |roots: Roots| {
        let settings =
            Settings { endpoint: Some(format!("https://{at}")), allow_http: false, roots, ..settings(&s3, SECRET_KEY) };
        Depot::open(&address, &settings).unwrap()
    };
    let trusting = open(Roots::of_pem(&ca).unwrap());
    let kept = trusting.clone();
    wait(move || put(&kept, "a", b"sealed")).await.unwrap();
    assert_eq!(wait(move || get(&trusting, "a")).await.unwrap(), b"sealed");
    let strange = open(Roots::default());
    let error = wait(move || put(&strange, "b", b"sealed")).await.unwrap_err();
    assert!(matches!(error, DepotError::Unreachable { .. }), "{error}");
    assert_eq!(s3.keys(), ["a"]);
}

#[tokio::test]
async fn files_are_kept_listed_in_pages_given_and_removed() {
    let s3 = S3::start();
    let depot = depot(&s3, SECRET_KEY);
    let fake = s3.clone();
    wait(move || {
        for number in 0..8 {
            put(&depot, &format!("a/{number}"), &plain(number * 100)).unwrap();
        }
        put(&depot, "b/x", b"other").unwrap();
        assert!(fake.keys().iter().all(|key| key.starts_with("box/one/")), "{:?}", fake.keys());
        let names = |under: &str, after: Option<&str>| {
            depot.list(under, after).unwrap().into_iter().map(|kept| kept.name).collect::<Vec<_>>()
        };
        assert_eq!(names("a", None), (0..8).map(|n| format!("a/{n}")).collect::<Vec<_>>());
        assert_eq!(names("", Some("a/5")), ["a/6", "a/7", "b/x"]);
        let last = depot.list("a", Some("a/6")).unwrap();
        assert_eq!((last[0].bytes, last[0].unix_ms / 1_000_000_000), (700, 1_795));
        assert_eq!(get(&depot, "a/7").unwrap(), plain(700));
        assert!(depot.delete("a/7").unwrap() && !depot.delete("a/7").unwrap());
        assert!(matches!(get(&depot, "a/7"), Err(DepotError::NoSuch(_))));
        assert_eq!(depot.shown(), format!("s3://{BUCKET}/box/one"));
    })
    .await;
}

#[tokio::test]
async fn a_big_file_goes_up_in_parts_and_comes_down_whole_over_a_torn_line() {
    let s3 = S3::start();
    let depot = depot(&s3, SECRET_KEY);
    let fake = s3.clone();
    wait(move || {
        let bytes = plain(35 << 20);
        // The store is busy twice meanwhile; each request is asked again.
        fake.fault(Fault::SlowDown(Method::PUT));
        fake.fault(Fault::SlowDown(Method::POST));
        assert_eq!(put(&depot, "big", &bytes).unwrap(), bytes.len() as u64);
        let parts = fake
            .seen()
            .iter()
            .filter(|(m, path, code)| m == "PUT" && path.contains("partNumber") && *code == 200)
            .count();
        assert_eq!((parts, fake.open_uploads(), fake.faults_left()), (3, 0, 0));
        assert!(fake.object("box/one/big") == bytes);
        fake.fault(Fault::Torn(10 << 20));
        fake.fault(Fault::Torn(1));
        assert!(get(&depot, "big").unwrap() == bytes);
        assert_eq!(fake.faults_left(), 0);
    })
    .await;
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_removed_from_the_bucket() {
    let s3 = S3::start();
    let depot = depot(&s3, SECRET_KEY);
    let fake = s3.clone();
    wait(move || {
        put(&depot, "x", b"old").unwrap();
        let mut upload = depot.upload("x").unwrap();
        upload.write_all(&plain(20 << 20)).unwrap();
        assert_eq!(fake.open_uploads(), 1);
        drop(upload);
        assert_eq!(fake.open_uploads(), 0);
        // A part is refused for good.
        let mut upload = depot.upload("x").unwrap();
        upload.write_all(&plain(17 << 20)).unwrap();
        fake.fault(Fault::Refuse(Method::PUT));
        assert!(matches!(upload.finish(), Err(DepotError::Refused { .. })));
        assert_eq!((fake.open_uploads(), get(&depot, "x").unwrap()), (0, b"old".to_vec()));
    })
    .await;
}

#[tokio::test]
async fn a_wrong_secret_and_a_store_that_is_not_there_are_clear_errors() {
    let s3 = S3::start();
    let wrong = depot(&s3, "another secret");
    wait(move || {
        let error = put(&wrong, "x", b"x").unwrap_err();
        assert!(matches!(&error, DepotError::Refused { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("secret_access_key") && !told.contains("another secret"), "{told}");
    })
    .await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        s3.at(listener.local_addr().unwrap())
    };
    let depot = depot(&gone, SECRET_KEY);
    wait(move || {
        let error = depot.list("", None).unwrap_err();
        assert!(matches!(&error, DepotError::Unreachable { .. }), "{error}");
    })
    .await;
}

fn vault(state: &Path) -> Vault {
    Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_sealed_before_they_leave() {
    let s3 = S3::start();
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_owned();
    let vault = wait(move || vault(&state)).await;
    let objects = Objects::new(depot(&s3, SECRET_KEY), vault);
    let of = TenantId::default_tenant();
    let key = |kind, n| Key::new(kind, 1_795_204_800_000, CallId::from_seed(1, n));
    let words = "Lakshmi, +919876543210: kal subah das baje ".repeat(600_000);
    objects.put(&of, &key(Kind::Transcript, 1), words.clone().into_bytes()).await.unwrap();
    for n in 2..7 {
        objects.put(&of, &key(Kind::Transcript, n), b"{}".to_vec()).await.unwrap();
    }
    let name = format!("box/one/default/{}", key(Kind::Transcript, 1));
    assert!(s3.keys().contains(&name), "{:?}", s3.keys());
    let raw = s3.object(&name);
    assert!(raw.len() > words.len());
    for seeded in ["Lakshmi", "9876543210", "das baje"] {
        assert!(!raw.windows(seeded.len()).any(|part| part == seeded.as_bytes()), "{seeded}");
    }
    assert!(objects.get(&of, &key(Kind::Transcript, 1)).await.unwrap() == words.as_bytes());
    assert_eq!(objects.list(&of, Kind::Transcript, None).await.unwrap().len(), 6);
    assert_eq!(objects.delete_all(&of).await.unwrap(), 6);
    assert!(s3.keys().is_empty());
}

/// The fake speaks the truth: AWS' own SDK for Python talks to it.
#[test]
fn the_official_sdk_understands_the_fake() {
    let Some(sdks) = std::env::var_os("VAANI_SDKS") else {
        eprintln!("skipped: VAANI_SDKS names no folder with the SDKs; `export VAANI_SDKS=$(scripts/sdks)`");
        return;
    };
    let s3 = S3::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keep/sdk_s3.py");
    let out = std::process::Command::new("python3")
        .env("PYTHONPATH", sdks)
        .env("NO_PROXY", "127.0.0.1")
        .arg(script)
        .args([&s3.endpoint(), ACCESS_KEY, SECRET_KEY, REGION, BUCKET])
        .output()
        .unwrap();
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}{complained}");
    assert_eq!(said.matches(" ok").count(), 4, "{said}");
    assert_eq!((s3.keys().len(), s3.open_uploads()), (0, 0));
}
