//! The daemon's end of a worker, for tests.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vaani_engine_protocol::{Ask, Frame, Speak, Spoken, Tell, encode, read_frame};

/// A broken worker must end a test, not hang it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A greeting in each language.
pub(crate) const LINES: [(&str, &str); 11] = [
    ("en-IN", "Hello, your appointment is confirmed. Thank you."),
    ("hi-IN", "नमस्ते, आपकी मुलाकात पक्की है। धन्यवाद।"),
    ("ta-IN", "வணக்கம், உங்கள் சந்திப்பு உறுதி செய்யப்பட்டது. நன்றி."),
    ("te-IN", "నమస్కారం, మీ అపాయింట్మెంట్ ఖరారైంది. ధన్యవాదాలు."),
    ("ml-IN", "നമസ്കാരം, നിങ്ങളുടെ കൂടിക്കാഴ്ച ഉറപ്പിച്ചു. നന്ദി."),
    ("kn-IN", "ನಮಸ್ಕಾರ, ನಿಮ್ಮ ಭೇಟಿ ಖಚಿತವಾಗಿದೆ. ಧನ್ಯವಾದಗಳು."),
    ("gu-IN", "નમસ્તે, તમારી મુલાકાત નક્કી છે. આભાર."),
    ("mr-IN", "नमस्कार, तुमची भेट निश्चित झाली आहे. धन्यवाद."),
    ("bn-IN", "নমস্কার, আপনার সাক্ষাৎ নিশ্চিত হয়েছে। ধন্যবাদ।"),
    ("pa-IN", "ਸਤ ਸ੍ਰੀ ਅਕਾਲ, ਤੁਹਾਡੀ ਮੁਲਾਕਾਤ ਪੱਕੀ ਹੈ। ਧੰਨਵਾਦ।"),
    ("or-IN", "ନମସ୍କାର, ଆପଣଙ୍କ ସାକ୍ଷାତ ନିଶ୍ଚିତ ହେଲା। ଧନ୍ୟବାଦ।"),
];

pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) stream: UnixStream,
    next: u64,
}

/// What `scripts/engine-data` put beside the build.
pub(crate) fn runtime() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_vaani-engine-tts")).ancestors().nth(2).unwrap();
    let folder = target.join("vaani-runtime");
    assert!(folder.join("espeak-ng-data/phontab").is_file(), "run scripts/engine-data first: {}", folder.display());
    folder
}

pub(crate) fn library() -> PathBuf {
    runtime().join("libonnxruntime.so.1.31.1")
}

pub(crate) fn voice(tag: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models/starter/tts");
    json!({
        "id": format!("starter-{tag}"),
        "onnx": folder.join("vaani-starter-voice.onnx"),
        "config": folder.join(format!("{tag}.onnx.json")),
        "language": tag,
    })
}

/// Settings with all eleven starter voices.
pub(crate) fn settings() -> Value {
    let voices: Vec<Value> = LINES.iter().map(|(tag, _)| voice(tag)).collect();
    json!({"espeak_data": runtime(), "onnxruntime": library(), "voices": voices})
}

pub(crate) struct Said {
    pub(crate) samples: Vec<i16>,
    pub(crate) longest_frame: usize,
    pub(crate) spoken: Spoken,
}

impl Worker {
    pub(crate) fn spawn(argument: &str) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vaani-engine-tts"))
            .arg(argument)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, stream: ours, next: 0 }
    }

    pub(crate) fn ready(settings: &Value) -> Self {
        let mut worker = Self::spawn(&settings.to_string());
        let first = worker.hear().message;
        assert!(matches!(first, Tell::Ready(_)), "{first:?}");
        worker
    }

    pub(crate) fn send(&mut self, request: u64, ask: &Ask) {
        self.stream.write_all(&encode(request, ask, &[]).unwrap()).unwrap();
    }

    pub(crate) fn hear(&mut self) -> Frame<Tell> {
        read_frame(&mut self.stream).unwrap().expect("the worker closed its socket")
    }

    pub(crate) fn speak(&mut self, ask: Speak) -> Result<Said, Tell> {
        self.next += 1;
        let request = self.next;
        self.send(request, &Ask::Speak(ask));
        let (mut samples, mut longest_frame) = (Vec::new(), 0);
        loop {
            let frame = self.hear();
            assert_eq!(frame.request, request);
            match frame.message {
                Tell::Audio => {
                    longest_frame = longest_frame.max(frame.samples.len());
                    samples.extend(frame.samples);
                }
                Tell::Spoken(spoken) => {
                    assert_eq!(spoken.samples, samples.len() as u64);
                    return Ok(Said { samples, longest_frame, spoken });
                }
                other => return Err(other),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn ask(language: &str, text: &str, voice: Option<&str>, rate: u32) -> Speak {
    Speak { text: text.to_owned(), language: language.to_owned(), voice: voice.map(str::to_owned), pace: 1.0, rate }
}
