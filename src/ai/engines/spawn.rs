//! Starts one worker program: its socket, its settings, its clean environment, its last words.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;

use crate::base::Clock;
use crate::base::limits::{ENGINE_LOG_LINE_MAX, ENGINE_LOG_LINES_MAX, ENGINE_LOG_WINDOW};

/// What to run.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub path: PathBuf,
    /// The worker's one argument, JSON.
    pub settings: String,
}

/// A process that was just started and has not said anything yet.
pub(super) struct Started {
    pub child: Child,
    pub socket: UnixStream,
    pub stderr: ChildStderr,
}

/// What a worker inherits. Everything else of the daemon's environment (tokens, passwords) stays
/// out of programs that parse model files.
const INHERITED: [&str; 7] =
    ["LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "RUST_BACKTRACE", "RUST_LOG"];

impl Program {
    pub(super) async fn start(&self) -> io::Result<Started> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&self.path);
        command
            .arg(&self.settings)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            // OpenMP threads that spin between steps starve every other engine of a small box.
            .env("GOMP_SPINCOUNT", "0")
            .env("OMP_WAIT_POLICY", "passive")
            // An engine that gives up is to die at once, not to start a debugger first.
            .env("GGML_NO_BACKTRACE", "1")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = on_the_spawner(command).await?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("worker has no standard error"))?;
        Ok(Started { child, socket: UnixStream::from_std(ours)?, stderr })
    }
}

struct Job {
    command: Command,
    runtime: tokio::runtime::Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Workers ask the kernel to kill them when their parent dies (`PR_SET_PDEATHSIG`), and the kernel
/// means the thread that started them. Threads of the runtime come and go, so all workers are
/// started by one thread that never ends.
async fn on_the_spawner(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Option<mpsc::Sender<Job>>> = OnceLock::new();
    let jobs = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        let run = move || {
            for mut job in jobs {
                let _runtime = job.runtime.enter();
                // The asker may be gone; then the child dies with the dropped answer.
                drop(job.answer.send(job.command.spawn()));
            }
        };
        std::thread::Builder::new().name("worker-spawner".to_owned()).spawn(run).ok().map(|_| sender)
    });
    let gone = || io::Error::other("no thread to start workers from");
    let (answer, child) = oneshot::channel();
    let job = Job { command, runtime: tokio::runtime::Handle::current(), answer };
    jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}

/// The last lines a worker wrote to its standard error, for the report of its death.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    const KEPT: usize = 4;

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == Self::KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
}

/// Passes a worker's standard error on to the log until it is closed: long lines are cut, and a
/// worker that writes without end is heard only so often.
pub(super) async fn follow(engine: &'static str, pid: u32, stderr: ChildStderr, words: LastWords, clock: Clock) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut window = clock.now();
    let mut logged = 0_usize;
    loop {
        line.clear();
        match (&mut reader).take(ENGINE_LOG_LINE_MAX as u64).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.is_empty() {
            continue;
        }
        let now = clock.now();
        if now.since(window) > ENGINE_LOG_WINDOW {
            if logged > ENGINE_LOG_LINES_MAX {
                tracing::info!(
                    engine,
                    pid,
                    lines = logged - ENGINE_LOG_LINES_MAX,
                    "worker wrote too much; lines dropped"
                );
            }
            (window, logged) = (now, 0);
        }
        logged += 1;
        if logged <= ENGINE_LOG_LINES_MAX {
            tracing::info!(engine, pid, line = text, "worker says");
        }
        words.push(text);
    }
}
