//! `vaani backup` and `vaani restore` as people use them: with a state nobody uses, into a folder and into a
//! bucket, with the right key, the wrong one and none.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vaani::base::{Clock, TenantId};
use vaani::store::Vault;
use vaani::store::crypt::MasterKey;

use crate::s3::{ACCESS_KEY, BUCKET, REGION, S3, SECRET_KEY};

struct Site {
    dir: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        let state = site.at("state");
        std::fs::create_dir_all(site.at("config")).unwrap();
        std::fs::write(site.at("config/vaani.toml"), "[backup]\nkeep = 2\n").unwrap();
        std::fs::create_dir(&state).unwrap();
        let vault = open(&state);
        let db = vault.tenant(&TenantId::default_tenant()).unwrap();
        db.write_blocking(|db| {
            db.execute("INSERT INTO callbacks VALUES ('one', '+919876543210', 'h', 'a', 'hi-IN', 1)", [])?;
            Ok(())
        })
        .unwrap();
        vault.close();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn vaani(&self, args: &[&str], s3: Option<&S3>) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaani"));
        command
            .arg("--config")
            .arg(self.at("config"))
            .args(args)
            .current_dir(self.dir.path())
            .env("VAANI_STATE__DIR", self.at("state"))
            .env("NO_PROXY", "127.0.0.1")
            .env_remove("CREDENTIALS_DIRECTORY");
        if let Some(s3) = s3 {
            command
                .env("VAANI_OBJECTS__S3__ENDPOINT", s3.endpoint())
                .env("VAANI_OBJECTS__S3__REGION", REGION)
                .env("VAANI_OBJECTS__S3__ACCESS_KEY_ID", ACCESS_KEY)
                .env("VAANI_OBJECTS__S3__SECRET_ACCESS_KEY", SECRET_KEY)
                .env("VAANI_OBJECTS__S3__ALLOW_HTTP", "true");
        }
        command.output().unwrap()
    }

    fn good(&self, args: &[&str], s3: Option<&S3>) -> String {
        let out = self.vaani(args, s3);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Exit code and what was complained of.
    fn bad(&self, args: &[&str], s3: Option<&S3>) -> (i32, String) {
        let out = self.vaani(args, s3);
        (out.status.code().unwrap(), String::from_utf8(out.stderr).unwrap())
    }
}

fn open(state: &Path) -> Vault {
    Vault::open(state, MasterKey::load(state).unwrap(), Clock::system()).unwrap()
}

fn noted(state: &Path) -> Vec<String> {
    let vault = open(state);
    let db = vault.tenant(&TenantId::default_tenant()).unwrap();
    let rows = db.read_blocking(|db| {
        Ok(db.prepare("SELECT id FROM callbacks")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    });
    vault.close();
    rows.unwrap()
}

#[test]
fn into_a_folder_and_back() {
    let site = Site::new();
    let made: Value = serde_json::from_str(&site.good(&["backup", "--json"], None)).unwrap();
    let name = made["name"].as_str().unwrap();
    assert!(site.at("state/backups").join(name).is_file());
    assert!(site.good(&["backup", "list"], None).contains(name));
    assert!(site.good(&["backup", "verify", name], None).starts_with("good"));
    site.good(&["backup", "elsewhere/mine.vbk"], None);
    assert!(site.good(&["backup", "verify", "elsewhere/mine.vbk"], None).starts_with("good"));

    let told = site.good(&["restore", "elsewhere/mine.vbk", "--into", "restored"], None);
    assert!(told.contains("state.dir") && told.contains("restored-config"), "{told}");
    assert_eq!(noted(&site.at("restored")), ["one"]);
    let (code, why) = site.bad(&["restore", name, "--into", "restored"], None);
    assert!(code == 1 && why.contains("--force"), "{why}");
    let restored: Value =
        serde_json::from_str(&site.good(&["restore", name, "--into", "restored", "--force", "--json"], None)).unwrap();
    assert_eq!(noted(Path::new(restored["aside"].as_str().unwrap())), ["one"]);
}

#[test]
fn another_box_needs_the_key_and_one_clear_line_says_so() {
    let (site, other) = (Site::new(), Site::new());
    site.good(&["backup", "mine.vbk"], None);
    let backup = site.at("mine.vbk");
    let backup = backup.to_str().unwrap();
    let (code, why) = other.bad(&["restore", backup, "--into", "new"], None);
    assert_eq!((code, why.lines().count()), (1, 1), "{why}");
    assert!(why.contains("--key-file"), "{why}");
    std::fs::remove_file(other.at("state/master.key")).unwrap();
    let (code, why) = other.bad(&["restore", backup, "--into", "new"], None);
    assert!(code == 1 && why.contains("--key-file"), "{why}");
    assert!(!other.at("state/master.key").exists(), "a key was made up");
    assert!(!other.at("new").exists());
    let key = site.at("state/master.key");
    other.good(&["restore", backup, "--into", "new", "--key-file", key.to_str().unwrap()], None);
    assert_eq!(noted(&other.at("new")), ["one"]);
    let (code, why) = other.bad(&["backup", "verify", "nothing.vbk", "--key-file", key.to_str().unwrap()], None);
    assert!(code == 1 && why.contains("nothing.vbk"), "{why}");
}

#[test]
fn into_a_bucket_and_back() {
    let (site, s3) = (Site::new(), S3::start());
    let place = format!("s3://{BUCKET}/box");
    let made: Value = serde_json::from_str(&site.good(&["backup", &place, "--json"], Some(&s3))).unwrap();
    let name = made["name"].as_str().unwrap();
    assert_eq!(s3.keys(), [format!("box/{name}")]);
    assert!(!s3.object(&s3.keys()[0]).windows(10).any(|part| part == b"9876543210"));
    assert!(site.good(&["backup", "list", &place], Some(&s3)).contains(name));
    let whole = format!("{place}/{name}");
    assert!(site.good(&["backup", "verify", &whole], Some(&s3)).starts_with("good"));
    site.good(&["restore", &whole, "--into", "restored"], Some(&s3));
    assert_eq!(noted(&site.at("restored")), ["one"]);
    let (code, why) = site.bad(&["restore", &place, "--into", "again"], Some(&s3));
    assert!(code == 1 && why.contains("backup list"), "{why}");
    let (code, why) = site.bad(&["backup", &place], None);
    assert!(code == 1 && !why.contains("panicked"), "{why}");
}
