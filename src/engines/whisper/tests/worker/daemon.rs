//! The daemon's end of a worker, for tests.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vaani_engine_protocol::{Ask, Frame, Ready, Tell, Transcribe, Transcript, encode, read_frame};

/// A broken worker must end a test, not hang it.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) stream: UnixStream,
    next: u64,
}

pub(crate) fn starter_model() -> PathBuf {
    models().join("vaani-starter-stt.bin")
}

pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models/starter/stt")
}

impl Worker {
    pub(crate) fn spawn(argument: &str) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vaani-engine-whisper"))
            .arg(argument)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, stream: ours, next: 0 }
    }

    pub(crate) fn starter(slots: u32) -> (Self, Ready) {
        let mut worker = Self::spawn(&serde_json::json!({"model": starter_model(), "slots": slots}).to_string());
        let Tell::Ready(ready) = worker.hear().message else { panic!("not ready") };
        (worker, ready)
    }

    pub(crate) fn send(&mut self, request: u64, ask: &Ask, samples: &[i16]) {
        self.stream.write_all(&encode(request, ask, samples).unwrap()).unwrap();
    }

    pub(crate) fn hear(&mut self) -> Frame<Tell> {
        read_frame(&mut self.stream).unwrap().expect("the worker closed its socket")
    }

    pub(crate) fn transcribe(&mut self, ask: Transcribe, samples: &[i16]) -> Result<Transcript, Tell> {
        self.next += 1;
        let request = self.next;
        self.send(request, &Ask::Transcribe(ask), samples);
        let frame = self.hear();
        assert_eq!(frame.request, request);
        match frame.message {
            Tell::Transcript(transcript) => Ok(transcript),
            other => Err(other),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn among(language: Option<&str>, among: &[&str]) -> Transcribe {
    Transcribe {
        language: language.map(str::to_owned),
        among: among.iter().map(|s| (*s).to_owned()).collect(),
        prompt: None,
        plain: false,
    }
}

pub(crate) struct Clip {
    pub(crate) language: String,
    pub(crate) text: String,
    /// 16 kHz.
    pub(crate) samples: Vec<i16>,
}

pub(crate) fn eval_clips() -> Vec<Clip> {
    let folder = models().join("eval");
    let manifest = std::fs::read_to_string(folder.join("manifest.jsonl")).unwrap();
    let clips = manifest.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let samples = twice(&wav(&folder.join(text("file"))));
        Clip { language: text("language"), text: text("text"), samples }
    });
    clips.collect()
}

/// The samples of a 16-bit WAV file.
fn wav(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|w| w == b"data").unwrap() + 8;
    bytes[at..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// 8 kHz to 16 kHz with a windowed sinc.
fn twice(samples: &[i16]) -> Vec<i16> {
    const HALF: isize = 16;
    let mut out = Vec::with_capacity(samples.len() * 2);
    for i in 0..samples.len() as isize {
        out.push(samples[i as usize]);
        let mut sum = 0.0;
        for k in 1 - HALF..=HALF {
            let Some(sample) = usize::try_from(i + k).ok().and_then(|at| samples.get(at)) else { continue };
            let x = std::f64::consts::PI * (k as f64 - 0.5);
            let window = 0.5 + 0.5 * (x / HALF as f64).cos();
            sum += f64::from(*sample) * x.sin() / x * window;
        }
        out.push(sum.round().clamp(-32_768.0, 32_767.0) as i16);
    }
    out
}

/// Edits from `b` to `a`, in characters.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = cost.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
