//! A daemon of its own for a measurement or a rehearsal: the same binary, a fresh state directory.
//! What the kernel says of its process is the daemon's alone.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::carrier::{Browsers, Exchanges, own_login};
use crate::base::secret::Secret;
use crate::config::Settings;
use crate::telephony::exotel::access::Login;
use crate::telephony::local::server::SOCKET;
use crate::telephony::public_url::PublicUrl;

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);
/// Units of the times in `/proc/PID/stat`: the kernel shows 100 a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) struct Daemon {
    child: Child,
    pid: u32,
    state: PathBuf,
    pub(super) url: PublicUrl,
    pub(super) auth_token: Secret,
    pub(super) api_token: Secret,
    /// What it knows Exotel by.
    pub(super) exotel: Login,
    /// What it knows exchanges of the house by, and where it takes them.
    pub(super) exchanges: Exchanges,
    pub(super) browsers: Browsers,
    /// Where it takes handsets.
    pub(super) handsets: PathBuf,
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) rss_bytes: u64,
    /// Memory nobody else shares.
    pub(super) private_bytes: u64,
    pub(super) threads: u64,
}

impl Daemon {
    /// Starts one that takes `calls` calls at once. Without engines it can do the line test only.
    pub(super) async fn start(settings: &Settings, calls: usize, engines: bool) -> anyhow::Result<Self> {
        let state = std::env::temp_dir().join(format!("vaani-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state)
            .with_context(|| format!("could not make {}", state.display()))?;
        let (auth_token, api_token) = (Secret::random()?, Secret::random()?);
        let exotel = own_login()?;
        let exchanges = Exchanges::own()?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--config")
            .arg(&settings.data.config_dir)
            .args(["serve", "--announce", "--listen", "127.0.0.1:0"])
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("WEBHOOK_BASE_URL")
            .env_remove("TWILIO_AUTH_TOKEN")
            .env("VAANI_HTTP__PUBLIC_BASE_URL", "")
            .env("VAANI_TWILIO__AUTH_TOKEN", auth_token.expose())
            .env("VAANI_EXOTEL__USER", &exotel.user)
            .env("VAANI_EXOTEL__PASSWORD", exotel.password.expose())
            .env("VAANI_EXOTEL__ALLOW_FROM", "127.0.0.0/8")
            .envs(exchanges.variables())
            .env("VAANI_HTTP__TLS_LISTEN", "127.0.0.1:0")
            .env("VAANI_LOCAL__ENABLED", "true")
            .env("VAANI_WEBRTC__ENABLED", "true")
            .env("VAANI_WEBRTC__ADDRESSES", "127.0.0.1")
            .env("VAANI_STATE__DIR", &state)
            .env("VAANI_CALLS__MAX_CALLS", calls.to_string())
            .env("VAANI_API__TOKEN", api_token.expose())
            .env("VAANI_LOG__LEVEL", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if !engines {
            // They would share the cores with what is measured: none is found here.
            command.env("VAANI_DATA__ENGINES_DIR", &state);
            command.env("VAANI_LOG__LEVEL", "error,vaani::ai=off");
        }
        let mut child = command.spawn().context("could not start the daemon")?;
        let pid = child.id().context("the daemon ended at once")?;
        let stdout = child.stdout.take().context("the daemon has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = timeout(READY_WITHIN, lines.next_line()).await.context("the daemon did not get ready")?;
        let line = ready?.context("the daemon ended before it was ready")?;
        let ready: serde_json::Value = serde_json::from_str(&line).context("the daemon announced something odd")?;
        let listening = ready["listening"].as_str().context("the daemon did not say where it listens")?;
        let url = format!("http://{listening}").parse()?;
        let secure = ready["tls"].as_str().context("the daemon serves no HTTPS")?;
        let browsers = Browsers::of(settings, &state, secure.parse()?, true)?;
        let handsets = state.join(SOCKET);
        Ok(Self { child, pid, state, handsets, url, auth_token, api_token, exotel, exchanges, browsers })
    }

    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        usage(self.pid).context("the daemon has ended")
    }

    /// Asks it to stop and waits.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        if timeout(STOP_WITHIN, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        remove(&self.state);
        Ok(())
    }
}

fn remove(state: &Path) {
    if let Err(error) = std::fs::remove_dir_all(state) {
        tracing::debug!(%error, "the bench's state directory stays");
    }
}

fn usage(pid: u32) -> anyhow::Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the numbers come after the last one.
    let (_, numbers) = stat.rsplit_once(')').context("stat is odd")?;
    let numbers: Vec<u64> = numbers.split_whitespace().map(|n| n.parse().unwrap_or(0)).collect();
    let number = |field: usize| numbers.get(field - 3).copied().unwrap_or(0);
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kilobytes = |name: &str| -> u64 {
        rollup
            .lines()
            .filter_map(|line| {
                line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
            })
            .sum::<u64>()
            * 1024
    };
    Ok(Usage {
        cpu_seconds: (number(14) + number(15)) as f64 / TICKS_PER_SECOND,
        rss_bytes: kilobytes("Rss"),
        private_bytes: kilobytes("Private_Clean") + kilobytes("Private_Dirty"),
        threads: number(20),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_can_be_read() {
        let before = usage(std::process::id()).unwrap();
        let ballast = vec![1_u8; 32 << 20];
        let after = usage(std::process::id()).unwrap();
        assert!(after.private_bytes >= before.private_bytes + (24 << 20), "{before:?} {after:?} {}", ballast.len());
        assert!(
            after.rss_bytes >= after.private_bytes && after.threads >= 1 && after.cpu_seconds >= before.cpu_seconds
        );
    }
}
