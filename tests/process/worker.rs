//! The daemon's end of a worker's socket.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vaani_engine_protocol::{Ask, Frame, Tell, encode, read_frame};

/// A broken worker must end a test, not hang it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program of this build.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_vaani")).with_file_name(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace", path.display());
    path
}

/// What `scripts/engine-data` put beside the build.
pub(crate) fn runtime() -> PathBuf {
    let folder = program("vaani").ancestors().nth(2).expect("target/debug/vaani").join("vaani-runtime");
    assert!(folder.join("espeak-ng-data/phontab").is_file(), "run scripts/engine-data first: {}", folder.display());
    folder
}

pub(crate) fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/starter")
}

pub(crate) struct Worker {
    child: Child,
    stream: UnixStream,
    next: u64,
}

impl Worker {
    pub(crate) fn ready(name: &str, settings: &serde_json::Value) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(program(name))
            .arg(settings.to_string())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut worker = Self { child, stream: ours, next: 0 };
        let first = worker.hear().message;
        assert!(matches!(first, Tell::Ready(_)), "{name}: {first:?}");
        worker
    }

    fn hear(&mut self) -> Frame<Tell> {
        read_frame(&mut self.stream).unwrap().expect("the worker closed its socket")
    }

    /// Puts one ask; gives its last message and all sound before it.
    pub(crate) fn ask(&mut self, ask: &Ask, samples: &[i16]) -> (Tell, Vec<i16>) {
        self.next += 1;
        self.stream.write_all(&encode(self.next, ask, samples).unwrap()).unwrap();
        let mut sound = Vec::new();
        loop {
            let frame = self.hear();
            assert_eq!(frame.request, self.next);
            match frame.message {
                Tell::Audio => sound.extend(frame.samples),
                last => return (last, sound),
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
