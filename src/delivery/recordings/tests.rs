use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use tempfile::TempDir;

use super::*;
use crate::base::event::{Concerns, Direction, Event, Record};
use crate::base::{CallId, Lang, TenantId};
use crate::call::recording::{Fault, Head, Reel, Reels, Tail};
use crate::media::record::Piece;
use crate::store::consents::{self, Channel, Consent, Purpose, Status};
use crate::store::crypt::MasterKey;
use crate::store::depot::Depot;
use crate::store::journal::Journal;
use crate::store::tiny_disk::TinyDisk;
use crate::store::{media, spool};

const MARK: [i16; 4] = [11_111, -11_111, 7_777, -7_777];

struct Bench {
    dir: TempDir,
    state: std::path::PathBuf,
    vault: Vault,
    journal: Journal,
    recordings: Recordings,
    scope: Scope,
    clock: Clock,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().to_owned();
        Self::at(dir, state).await
    }

    async fn at(dir: TempDir, state: std::path::PathBuf) -> Self {
        let clock = Clock::system();
        let vault = Vault::open(&state, MasterKey::load(&state).unwrap(), clock).unwrap();
        let (journal, scope) = (Journal::new(vault.clone(), Vec::new()), Scope::new());
        let objects = Objects::new(Depot::folder(state.join("objects")), vault.clone());
        let allowed = config::Recording { allowed: true, ..config::Recording::default() };
        let recordings = Recordings::new(vault.clone(), objects, clock, allowed, true);
        recordings.start(&scope).unwrap();
        Self { dir, state, vault, journal, recordings, scope, clock }
    }

    /// The process is gone; another one begins.
    async fn again(self) -> Self {
        let Self { dir, state, vault, scope, recordings, .. } = self;
        scope.stop();
        assert!(scope.join(Duration::from_secs(5)).await);
        drop(recordings);
        vault.close();
        Self::at(dir, state).await
    }

    async fn call(&self) -> CallId {
        let call = CallId::new();
        self.note(
            call,
            Event::CallInitiated {
                transport: "twilio".to_owned(),
                carrier_call: None,
                direction: Direction::Inbound,
                agent: "helpdesk".to_owned(),
                caller_hash: Some("hash".to_owned()),
                concerns: Box::new(Concerns::default()),
                customer: None,
            },
        )
        .await;
        self.note(call, Event::RecordingStarted { mode: RecordingMode::Ask, language: Lang::Hi }).await;
        call
    }

    async fn note(&self, call: CallId, event: Event) {
        let unix_ms = self.clock.unix_ms(self.clock.now());
        self.journal.append_durable(Record { call, unix_ms, call_ms: 10, event }).await.unwrap();
    }

    fn open(&self, call: CallId, mode: RecordingMode) -> Box<dyn Reel> {
        let began_ms = self.clock.unix_ms(self.clock.now());
        let tenant = TenantId::default_tenant();
        let head = Head { call, tenant, call_started_ms: began_ms, began_ms, mode, language: Lang::Hi };
        self.recordings.open(head).unwrap()
    }

    fn db(&self) -> crate::store::Database {
        self.vault.tenant(&TenantId::default_tenant()).unwrap()
    }

    async fn ready(&self, call: CallId) -> (media::Media, Recorded) {
        for _ in 0..500 {
            match self.recordings.ready(&TenantId::default_tenant(), &self.db(), call).await {
                Ok(found) => return found,
                Err(NotRead::NotYet | NotRead::Gone) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it never arrived: {:?}", self.recordings.trouble());
    }

    async fn settled(&self, what: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if what(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came about: {:?}", self.recordings.trouble());
    }

    async fn sound(&self, media: &media::Media, part: Part) -> Vec<u8> {
        let tenant = TenantId::default_tenant();
        let sound = self.recordings.read(&tenant, &media.name, part, &self.scope).await.unwrap();
        sound.map(Result::unwrap).collect::<Vec<_>>().await.concat()
    }

    fn spooled(&self) -> usize {
        spool::all(&self.state).unwrap().len()
    }
}

/// A second of a known pattern.
fn second() -> Piece {
    Piece::Sound(MARK.repeat(4_000))
}

/// The pattern as it would lie on a disk in the open, anywhere below.
fn is_readable_below(dir: &Path) -> bool {
    let needle: Vec<u8> = MARK.repeat(2).iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::read_dir(dir).unwrap().map(Result::unwrap).any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_readable_below(&path);
        }
        std::fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|w| w == needle))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_arrives_with_its_transcript_and_is_read_in_parts() {
    let bench = Bench::new().await;
    let call = bench.call().await;
    let said = Event::Said {
        turn: 1,
        language: Lang::Hi,
        text: "namaste ji".to_owned(),
        heard: "namaste".to_owned(),
        cut: true,
    };
    bench.note(call, said).await;
    let mut reel = bench.open(call, RecordingMode::Ask);
    for _ in 0..5 {
        assert!(reel.put(second()));
    }
    assert!(reel.put(Piece::Silence(4_000)));
    reel.confirm();
    let cuts = vec![Cut { from_ms: 100, to_ms: 160, heard: false }];
    reel.close(Tail { cuts: cuts.clone(), lost_ms: 0, why: Some(StoppedBy::CallEnded) });
    let (media, facts) = bench.ready(call).await;
    assert_eq!((facts.duration_ms, facts.channels, facts.rate, facts.cuts), (5_500, 2, 8_000, cuts));
    assert!(media.name.starts_with("calls/audio/2") && media.name.ends_with(&format!("{call}/recording.wav")));
    let whole = bench.sound(&media, Part { from: 0, length: media.bytes }).await;
    assert_eq!(whole.len() as u64, media.bytes);
    assert_eq!(media.bytes, 44 + 44_000 * 4);
    let mut wav = hound::WavReader::new(&whole[..]).unwrap();
    assert_eq!((wav.spec().channels, wav.duration()), (2, 44_000));
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    assert_eq!(samples[..4], MARK);
    assert!(samples[80_000..].iter().all(|s| *s == 0));
    for (from, length) in [(0, 1), (43, 2), (70_000, 1_000), (media.bytes - 1, 1), (65_000, 100_000)] {
        let part = bench.sound(&media, Part { from, length }).await;
        assert_eq!(part, whole[from as usize..(from + length) as usize], "{from} {length}");
    }
    assert!(!is_readable_below(&bench.state) && bench.spooled() == 0);
    let found = bench.db().read(move |db| media::of_call(db, call, "transcript")).await.unwrap().unwrap();
    let key = crate::delivery::objects::Key::parse(&found.name).unwrap();
    let text = bench.recordings.0.objects.get(&TenantId::default_tenant(), &key).await.unwrap();
    let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(text["turns"][0]["heard"], "namaste");
    assert_eq!((&text["turns"][0]["speaker"], &text["turns"][0]["cut"]), (&"agent".into(), &true.into()));
    assert_eq!(text["recording"]["cuts"][0]["heard"], false);

    assert!(bench.recordings.delete(&TenantId::default_tenant(), &bench.db(), call).await.unwrap());
    assert!(matches!(bench.recordings.ready(&TenantId::default_tenant(), &bench.db(), call).await, Err(NotRead::Gone)));
    assert!(!bench.db().read(|db| Ok(!media::gone(db, 9)?.is_empty())).await.unwrap(), "the objects are gone at once");
    let files = |dir: &Path| walk(dir).into_iter().filter(|p| p.is_file()).count();
    assert_eq!(files(&bench.state.join("objects")), 0);
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_no_leaves_nothing() {
    let bench = Bench::new().await;
    let call = bench.call().await;
    let mut reel = bench.open(call, RecordingMode::Ask);
    for _ in 0..5 {
        reel.put(second());
    }
    bench.settled(|bench| bench.spooled() == 1).await;
    reel.discard();
    bench.settled(|bench| bench.spooled() == 0).await;
    assert!(bench.db().read(move |db| media::of_call(db, call, "recording")).await.unwrap().is_none());
    assert!(!is_readable_below(&bench.state) && walk(&bench.state.join("objects")).is_empty());
    // The same call again: the notice was said in another language.
    let mut reel = bench.open(call, RecordingMode::Ask);
    reel.put(second());
    reel.close(Tail { why: Some(StoppedBy::CallEnded), ..Tail::default() });
    assert_eq!(bench.ready(call).await.1.duration_ms, 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_tenants_that_are_not_named_are_not_recorded() {
    let bench = Bench::new().await;
    let (vault, clock) = (bench.vault.clone(), bench.clock);
    for (allowed, tenants, opens) in [
        (false, vec![], false),
        (true, vec!["bank"], false),
        (true, vec!["bank", "default"], true),
        (true, vec![], true),
    ] {
        let tenants = tenants.into_iter().map(|tenant| tenant.parse().unwrap()).collect();
        let allowed = config::Recording { allowed, tenants, mute_keys: true };
        let objects = Objects::new(Depot::folder(bench.state.join("objects")), vault.clone());
        let recordings = Recordings::new(vault.clone(), objects, clock, allowed, false);
        let tenant = TenantId::default_tenant();
        let mode = RecordingMode::Announce;
        let call = CallId::new();
        let head = Head { call, tenant, call_started_ms: 1, began_ms: 1, mode, language: Lang::En };
        assert_eq!(recordings.open(head).is_ok(), opens);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_taken_their_consent_back_is_not_written_at_all() {
    let bench = Bench::new().await;
    let call = bench.call().await;
    let consent = Consent {
        id: uuid::Uuid::now_v7(),
        phone_hash: "hash".to_owned(),
        purpose: Purpose::RECORDING.parse().unwrap(),
        channel: Channel::Web,
        status: Status::Withdrawn,
        explicit: true,
        at_ms: 1,
        expires_ms: None,
        call: None,
        call_offset_ms: None,
        notice: String::new(),
        language: String::new(),
        noted_by: "test".to_owned(),
        noted_ms: 1,
    };
    bench.db().write(move |db| consents::insert(db, &consent)).await.unwrap();
    let mut reel = bench.open(call, RecordingMode::Announce);
    for _ in 0..500 {
        reel.put(second());
        if reel.fault().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(reel.fault(), Some(Fault::Refused));
    assert_eq!(bench.spooled(), 0);
    reel.discard();
}

/// What a process that died had written, by what the caller had said by then.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_keeps_what_may_be_kept() {
    let mut bench = Bench::new().await;
    let mut calls = Vec::new();
    for (mode, confirmed, declined) in [
        (RecordingMode::Ask, true, false),
        (RecordingMode::Ask, false, false),
        (RecordingMode::Ask, true, true),
        (RecordingMode::Announce, false, false),
    ] {
        let call = bench.call().await;
        let mut reel = bench.open(call, mode);
        if confirmed {
            reel.confirm();
        }
        for _ in 0..10 {
            reel.put(second());
        }
        if declined {
            bench.note(call, Event::RecordingDeclined { why: crate::base::event::DeclinedBy::Word }).await;
        }
        // Nobody closes it: the process dies.
        std::mem::forget(reel);
        calls.push(call);
    }
    // What was never begun, and what is nobody's.
    bench.settled(|bench| bench.spooled() == 4).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let half = spool::path(&bench.state, &TenantId::default_tenant(), CallId::new());
    std::fs::write(half, b"VAANI").unwrap();
    let foreign = spool::path(&bench.state, &"gone".parse().unwrap(), CallId::new());
    std::fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    std::fs::write(foreign, [7; 5_000]).unwrap();
    bench = bench.again().await;
    for call in [calls[0], calls[3]] {
        let (media, facts) = bench.ready(call).await;
        assert!(facts.duration_ms >= 6_000 && facts.duration_ms <= 10_000, "{facts:?}");
        assert_eq!(facts.stopped, None);
        let whole = bench.sound(&media, Part { from: 0, length: media.bytes }).await;
        let mut wav = hound::WavReader::new(&whole[..]).unwrap();
        assert_eq!(u64::from(wav.duration()), facts.duration_ms * 8);
        assert!(wav.samples::<i16>().map(Result::unwrap).zip(MARK.iter().cycle()).all(|(a, b)| a == *b));
    }
    bench.settled(|bench| bench.spooled() == 0).await;
    for call in [calls[1], calls[2]] {
        assert!(bench.db().read(move |db| media::of_call(db, call, "recording")).await.unwrap().is_none());
    }
    assert!(!is_readable_below(&bench.state));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_recording_and_what_there_is_arrives_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = TinyDisk::new(&dir.path().join("disk"), 8_192) else { return };
    let bench = Bench::at(tempfile::tempdir().unwrap(), disk.path().to_owned()).await;
    let call = bench.call().await;
    let mut reel = bench.open(call, RecordingMode::Announce);
    for _ in 0..8 {
        reel.put(second());
    }
    bench.settled(|bench| bench.spooled() == 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    // With some room for the databases, which write at the same time.
    disk.fill(200);
    for _ in 0..200 {
        reel.put(second());
        tokio::time::sleep(Duration::from_millis(2)).await;
        if reel.fault().is_some() {
            break;
        }
    }
    assert_eq!(reel.fault(), Some(Fault::Stopped(StoppedBy::DiskFull)));
    reel.close(Tail { why: Some(StoppedBy::DiskFull), ..Tail::default() });
    bench.settled(|bench| bench.recordings.trouble().waiting == 1).await;
    let trouble = bench.recordings.trouble();
    assert!(trouble.broken_off == 1 && trouble.why.is_some(), "{trouble:?}");
    disk.make_room();
    // Sooner than the next try by itself.
    let bench = bench.again().await;
    let (_, facts) = bench.ready(call).await;
    assert!(facts.duration_ms >= 6_000, "{facts:?}");
    bench.scope.stop();
    bench.scope.join(Duration::from_secs(5)).await;
    bench.vault.close();
}
