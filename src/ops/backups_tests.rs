use std::fs;
use std::path::Path;

use super::*;
use crate::base::TenantId;
use crate::store::crypt::MasterKey;
use crate::store::{StoreError, Vault};

struct Place {
    dir: tempfile::TempDir,
    vault: Vault,
    told: Arc<Mutex<Vec<Notice>>>,
    scope: Scope,
}

async fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let open = move || Vault::open(&state, MasterKey::load(&state).unwrap(), Clock::system()).unwrap();
    let vault = tokio::task::spawn_blocking(open).await.unwrap();
    Place { dir, vault, told: Arc::default(), scope: Scope::new() }
}

impl Place {
    fn backups(&self, rhythm: Rhythm, keep: usize) -> Backups {
        let plan = Plan {
            source: Source { state: self.dir.path().join("state"), config: None, master: self.vault.master().clone() },
            depot: Depot::folder(self.copies()),
            rhythm,
            keep,
        };
        let telling = Arc::clone(&self.told);
        let tell: Tell = Arc::new(move |notice| lock(&telling).push(notice));
        Backups::new(plan, Clock::system(), self.scope.clone(), tell)
    }

    fn copies(&self) -> PathBuf {
        self.dir.path().join("copies")
    }

    async fn note(&self, word: &'static str) -> Result<(), StoreError> {
        let db = self.vault.tenant(&TenantId::default_tenant()).unwrap();
        db.write(move |db| {
            db.execute("INSERT INTO callbacks VALUES (?1, '+919876543210', 'h', 'a', 'hi-IN', 1)", [word])?;
            Ok(())
        })
        .await
    }
}

async fn until(mut what: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if what().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to that");
}

fn words(state: &Path) -> Vec<String> {
    let vault = Vault::open(state, MasterKey::read(&MasterKey::path(state)).unwrap(), Clock::system()).unwrap();
    let db = vault.tenant(&TenantId::default_tenant()).unwrap();
    let read = |db: &rusqlite::Connection| {
        Ok(db.prepare("SELECT id FROM callbacks")?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
    };
    let words = db.read_blocking(read).unwrap();
    vault.close();
    words
}

/// The rehearsal: what the daemon backs up by itself can be restored elsewhere and works.
#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_backup_is_made_when_due_and_restores() {
    let place = place().await;
    place.note("before").await.unwrap();
    let state = place.dir.path().join("state");
    // The last good one is long ago.
    let status = Status { last_good_ms: Some(5), since_ms: 1, ..Status::default() };
    keep(&state, &status);
    let backups = place.backups(Rhythm::EveryHours(1), 3);
    backups.run();
    until(async || backups.status().last_good_ms.is_some_and(|at| at > 5)).await;
    assert!(!backups.is_due() && !backups.is_running());
    place.note("after").await.unwrap();
    let name = backups.status().last_good_name.unwrap();
    let copies = place.copies();
    let restored = place.dir.path().join("restored");
    let (key, into) = (backup::find_key(&state, None).unwrap(), restored.clone());
    let found = tokio::task::spawn_blocking(move || {
        let file = fs::File::open(copies.join(name)).unwrap();
        backup::restore(file, None, &key, &into, false).unwrap();
        words(&into)
    })
    .await
    .unwrap();
    assert_eq!(found, ["before"]);
    // The next process knows of it.
    let next = place.backups(Rhythm::EveryHours(1), 3);
    assert_eq!(next.status(), backups.status());
    assert!(!next.is_due());
    place.scope.stop();
    assert!(place.scope.join(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_ones_go_but_never_one_of_another_name_nor_the_last_good() {
    let place = place().await;
    let backups = place.backups(Rhythm::Never, 2);
    fs::create_dir(place.copies()).unwrap();
    fs::write(place.copies().join("by-hand.vbk"), "of somebody").unwrap();
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(backups.make().await.unwrap().name);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let names: Vec<_> = backups.list().await.unwrap().into_iter().map(|kept| kept.name).collect();
    assert_eq!(names, made[2..]);
    assert!(place.copies().join("by-hand.vbk").exists());
    let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
    let left = |keep, good| surplus(&names, keep, good).into_iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(left(2, "d"), ["a", "b"]);
    assert_eq!(left(2, "a"), ["b"]);
    assert_eq!(left(0, "d"), ["a", "b", "c"]);
    assert_eq!(left(9, "d"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_once_removes_nothing_and_is_cleared() {
    let place = place().await;
    let backups = place.backups(Rhythm::Never, 1);
    let good = backups.make().await.unwrap().name;
    // The place is there no more: a file stands where the folder was.
    fs::rename(place.copies(), place.dir.path().join("away")).unwrap();
    fs::write(place.copies(), "no folder").unwrap();
    for _ in 0..2 {
        assert!(matches!(backups.make().await, Err(Refused::Backup(_))));
    }
    let status = backups.status();
    assert_eq!((status.failures, status.last_good_name.as_deref()), (2, Some(good.as_str())));
    assert!(status.last_error.is_some());
    {
        let told = lock(&place.told);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].raised, "{told:?}");
    }
    fs::remove_file(place.copies()).unwrap();
    fs::rename(place.dir.path().join("away"), place.copies()).unwrap();
    assert_eq!(backups.list().await.unwrap()[0].name, good);
    backups.make().await.unwrap();
    let told = lock(&place.told).clone();
    assert_eq!((told.len(), told[1].raised, backups.status().failures), (2, false, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_runs_behind_and_its_verdict_is_of_that_very_file() {
    let place = place().await;
    let backups = place.backups(Rhythm::Never, 5);
    let name = backups.make().await.unwrap().name;
    assert!(matches!(backups.verify("vaani-nothing.vbk").await, Err(Refused::Unknown)));
    assert!(matches!(backups.verify("../state/system.db").await, Err(Refused::Unknown)));
    let settled = async || match backups.verify(&name).await {
        Ok(Verdict::Running) | Err(Refused::Verifying) => false,
        Ok(_) => true,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(backups.verify(&name).await.unwrap(), Verdict::Running);
    until(settled).await;
    let Verdict::Good { databases, remarks, .. } = backups.verify(&name).await.unwrap() else { panic!("not good") };
    assert_eq!((databases, remarks), (2, vec![]));
    // The file changes: so does the verdict.
    let path = place.copies().join(&name);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.push(0);
    fs::write(&path, bytes).unwrap();
    until(settled).await;
    let Verdict::Bad { why, .. } = backups.verify(&name).await.unwrap() else { panic!("taken for good") };
    assert!(why.contains("damaged"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_are_one_and_a_stop_is_no_failure() {
    let place = place().await;
    let backups = place.backups(Rhythm::Never, 5);
    backups.start().unwrap();
    assert!(matches!(backups.start(), Err(Refused::Busy)));
    assert!(matches!(backups.make().await, Err(Refused::Busy)));
    until(async || !backups.is_running()).await;
    until(async || backups.status().last_good_ms.is_some()).await;
    place.scope.stop();
    let before = backups.status();
    assert!(matches!(backups.make().await, Err(Refused::Backup(BackupError::Stopped))));
    assert_eq!(backups.status(), before);
    assert_eq!(*lock(&place.told), []);
}
