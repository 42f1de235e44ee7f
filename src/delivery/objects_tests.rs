use std::path::Path;

use super::*;
use crate::base::Clock;
use crate::store::crypt::MasterKey;

fn vault(dir: &Path) -> Vault {
    Vault::open(&dir.join("state"), MasterKey::load(&dir.join("state")).unwrap(), Clock::system()).unwrap()
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

struct Place {
    dir: tempfile::TempDir,
    vault: Vault,
    objects: Objects,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    let vault = vault(dir.path());
    let objects = Objects::new(Depot::folder(dir.path().join("objects")), vault.clone());
    Place { dir, vault, objects }
}

/// 2026-11-20 20:00 UTC, which is the next day in India.
const STARTED_MS: u64 = 1_795_204_800_000;

fn key(kind: Kind, number: u64) -> Key {
    Key::new(kind, STARTED_MS, CallId::from_seed(7, number))
}

#[test]
fn names_are_those_of_the_documents() {
    let call = CallId::from_seed(1, 2);
    let shown = |kind| Key::new(kind, STARTED_MS, call).to_string();
    assert_eq!(shown(Kind::Recording), format!("calls/audio/2026-11-20/{call}/recording.wav"));
    assert_eq!(shown(Kind::Transcript), format!("calls/transcripts/2026-11-20/{call}/transcript.json"));
    assert_eq!(shown(Kind::Profile), format!("calls/profiles/2026-11-20/{call}/profile.json"));
    for kind in Kind::ALL {
        let key = Key::new(kind, STARTED_MS, call);
        assert_eq!(Key::parse(&key.to_string()), Some(key));
    }
    for wrong in
        ["", "calls/audio", "calls/audiox/2026-11-20/a/recording.wav", "calls/audio/2026-13-20/x/recording.wav"]
    {
        assert_eq!(Key::parse(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn objects_come_back_and_nothing_lies_open() {
    let Place { dir, objects, .. } = place();
    let of = TenantId::default_tenant();
    let words = "My number is +919876543210, says Lakshmi".repeat(5_000);
    for number in 0..3 {
        let put = objects.put(&of, &key(Kind::Transcript, number), words.clone().into_bytes()).await.unwrap();
        assert_eq!(put, words.len() as u64);
    }
    objects.put(&of, &key(Kind::Recording, 0), Vec::new()).await.unwrap();
    assert_eq!(objects.get(&of, &key(Kind::Transcript, 1)).await.unwrap(), words.as_bytes());
    assert_eq!(objects.get(&of, &key(Kind::Recording, 0)).await.unwrap(), b"");
    assert!(objects.get(&of, &key(Kind::Profile, 0)).await.unwrap_err().is_missing());

    let path = dir.path().join("objects/default").join(key(Kind::Transcript, 1).to_string());
    let raw = std::fs::read(&path).unwrap();
    for seeded in ["9876543210", "Lakshmi"] {
        assert!(!raw.windows(seeded.len()).any(|bytes| bytes == seeded.as_bytes()));
    }
    let listed = objects.list(&of, Kind::Transcript, None).await.unwrap();
    assert_eq!(
        listed.iter().map(|l| l.key.clone()).collect::<Vec<_>>(),
        (0..3).map(|n| key(Kind::Transcript, n)).collect::<Vec<_>>()
    );
    let rest = objects.list(&of, Kind::Transcript, Some(&listed[0].key)).await.unwrap();
    assert_eq!(rest.len(), 2);
    assert!(objects.delete(&of, &key(Kind::Transcript, 1)).await.unwrap());
    assert!(!objects.delete(&of, &key(Kind::Transcript, 1)).await.unwrap());
    assert_eq!(objects.delete_all(&of).await.unwrap(), 3);
    assert_eq!(objects.list(&of, Kind::Transcript, None).await.unwrap(), []);
}

#[tokio::test]
async fn one_object_cannot_stand_in_for_another() {
    let Place { dir, vault, objects } = place();
    let (one, other) = (TenantId::default_tenant(), tenant("bank"));
    vault.create_tenant(&other, "A bank").unwrap();
    objects.put(&one, &key(Kind::Profile, 1), b"of the default tenant".to_vec()).await.unwrap();
    objects.put(&one, &key(Kind::Profile, 2), b"of somebody else".to_vec()).await.unwrap();
    let path = |of: &TenantId, n| dir.path().join("objects").join(of.as_str()).join(key(Kind::Profile, n).to_string());
    std::fs::copy(path(&one, 1), path(&one, 2)).unwrap();
    let error = objects.get(&one, &key(Kind::Profile, 2)).await.unwrap_err();
    assert!(matches!(error, ObjectError::Seal(SealError::Damaged(0))), "{error}");
    std::fs::create_dir_all(path(&other, 1).parent().unwrap()).unwrap();
    std::fs::copy(path(&one, 1), path(&other, 1)).unwrap();
    let error = objects.get(&other, &key(Kind::Profile, 1)).await.unwrap_err();
    assert!(matches!(error, ObjectError::Seal(SealError::WrongKey)), "{error}");
    // Cut and bent objects.
    let good = std::fs::read(path(&one, 1)).unwrap();
    std::fs::write(path(&one, 1), &good[..good.len() - 1]).unwrap();
    assert!(matches!(objects.get(&one, &key(Kind::Profile, 1)).await, Err(ObjectError::Seal(_))));
}

#[tokio::test]
async fn the_objects_of_a_shredded_tenant_are_gone_with_its_key() {
    let Place { dir: _dir, vault, objects } = place();
    let bank = tenant("bank");
    vault.create_tenant(&bank, "A bank").unwrap();
    objects.put(&bank, &key(Kind::Recording, 1), vec![1; 100_000]).await.unwrap();
    vault.shred_tenant(&bank).unwrap();
    assert!(matches!(objects.get(&bank, &key(Kind::Recording, 1)).await, Err(ObjectError::Tenant(_))));
    assert!(matches!(objects.put(&bank, &key(Kind::Recording, 1), vec![]).await, Err(ObjectError::Tenant(_))));
    assert_eq!(objects.delete_all(&bank).await.unwrap(), 1);
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_the_old_object() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("the recorder died"));
            }
            let given = into.len().min(self.0);
            into[..given].fill(7);
            self.0 -= given;
            Ok(given)
        }
    }
    let Place { dir, objects, .. } = place();
    let of = TenantId::default_tenant();
    let key = key(Kind::Recording, 1);
    objects.put(&of, &key, b"old".to_vec()).await.unwrap();
    let error = objects.put_from(&of, &key, Broken(300_000)).await.unwrap_err();
    assert!(matches!(error, ObjectError::Source(_)), "{error}");
    assert_eq!(objects.get(&of, &key).await.unwrap(), b"old");
    let folder = dir.path().join("objects/default").join(key.to_string());
    assert_eq!(std::fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1, "no half of it stays");
    let mut taken = tempfile::tempfile().unwrap();
    let into = taken.try_clone().unwrap();
    assert_eq!(objects.get_into(&of, &key, into).await.unwrap(), 3);
    let mut text = String::new();
    io::Seek::rewind(&mut taken).unwrap();
    taken.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
}
