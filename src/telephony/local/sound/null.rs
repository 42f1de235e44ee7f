//! A device that is not there: it keeps time by the clock, speaks a recording or nothing, and may keep what
//! it is given to play.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use super::{Audio, Counts, QUEUE, Samples};
use crate::base::audio::{FRAME, LINE_FRAME, LINE_RATE};
use crate::base::limits;
use crate::base::tasks::Scope;

/// `speaks`: 8 kHz, once, then silence. `keeps`: called with all that was played, 8 kHz, when it is over.
pub fn open(speaks: Vec<i16>, keeps: Option<(PathBuf, fn(&[i16]) -> Vec<u8>)>, tasks: &Scope) -> Audio {
    let (heard, microphone) = mpsc::channel(QUEUE);
    let (speaker, played) = mpsc::channel(QUEUE);
    let (done, over) = oneshot::channel();
    let counts = Arc::new(Counts::default());
    let counting = Arc::clone(&counts);
    tasks.spawn("null sound device", async move {
        let tape = run(speaks, heard, played, &counting, keeps.is_some()).await;
        let written = match keeps {
            Some((file, print)) => tokio::fs::write(file, print(&tape)).await,
            None => Ok(()),
        };
        drop(done.send(written));
    });
    Audio { microphone, speaker, counts, name: "no device, kept by the clock".to_owned(), over }
}

async fn run(
    speaks: Vec<i16>,
    heard: mpsc::Sender<Samples>,
    mut played: mpsc::Receiver<Samples>,
    counts: &Counts,
    keeps: bool,
) -> Vec<i16> {
    let room = (limits::LOCAL_TAPE_MAX.as_secs() as usize) * LINE_RATE as usize;
    let mut tape: Vec<i16> = Vec::new();
    let mut frames = speaks.chunks(LINE_FRAME);
    let mut ticks = interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut playing = false;
    loop {
        ticks.tick().await;
        let mut frame = [0; LINE_FRAME];
        if let Some(said) = frames.next() {
            frame[..said.len()].copy_from_slice(said);
        }
        match heard.try_send(frame) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => Counts::add(&counts.overruns),
            Err(mpsc::error::TrySendError::Closed(_)) => return tape,
        }
        let frame = match played.try_recv() {
            Ok(frame) => {
                playing = true;
                frame
            }
            Err(_) => {
                if playing {
                    Counts::add(&counts.underruns);
                }
                playing = false;
                [0; LINE_FRAME]
            }
        };
        if keeps && tape.len() < room {
            tape.extend(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_recording_is_spoken_in_real_time_and_what_is_played_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.raw");
        let tasks = Scope::new();
        let print: fn(&[i16]) -> Vec<u8> = |pcm| pcm.iter().map(|s| *s as u8).collect();
        let mut audio = open(vec![7; LINE_FRAME + 10], Some((file.clone(), print)), &tasks);
        let began = tokio::time::Instant::now();
        let mut heard = Vec::new();
        for n in 0..50 {
            heard.extend(audio.microphone.recv().await.unwrap());
            audio.speaker.send([n; LINE_FRAME]).await.unwrap();
        }
        assert_eq!(heard.iter().filter(|s| **s == 7).count(), LINE_FRAME + 10);
        assert!(began.elapsed() >= Duration::from_millis(49 * 20) && began.elapsed() < Duration::from_millis(1_100));
        let over = audio.over;
        drop((audio.microphone, audio.speaker));
        over.await.unwrap().unwrap();
        let kept = std::fs::read(file).unwrap();
        assert!(kept.len() >= 49 * LINE_FRAME && kept.ends_with(&[48; LINE_FRAME]), "{}", kept.len());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_late_is_counted() {
        let tasks = Scope::new();
        let audio = open(Vec::new(), None, &tasks);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let overruns = audio.counts.overruns.load(Ordering::Relaxed);
        assert!((30..=50).contains(&overruns), "{overruns}");
        assert_eq!(audio.counts.underruns.load(Ordering::Relaxed), 0, "nothing has been played yet");
    }
}
