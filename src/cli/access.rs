//! What `vaani user`, `token` and `tenant` share: the gate of the state directory (the daemon may run
//! meanwhile), and secrets that are typed, never given as arguments, which everybody on the machine
//! could read.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};

use crate::auth::audit::Audit;
use crate::auth::{Gate, GateDeps, Principal};
use crate::base::secret::Secret;
use crate::base::{Clock, TenantId, limits};
use crate::config::Settings;
use crate::store::Vault;
use crate::store::crypt::MasterKey;

/// Who does it, for the audit log.
pub(super) fn caller() -> Principal {
    Principal::the_box("command line")
}

/// Opens what the state directory keeps.
pub(super) fn open(settings: &Settings) -> anyhow::Result<Gate> {
    let state = &settings.state.dir;
    if let Ok(known) = std::fs::metadata(state) {
        let own = rustix::process::geteuid().as_raw();
        // Files made by another user would lock the daemon out of its own databases.
        ensure!(
            own == known.uid(),
            "the state directory {} belongs to user {} and you are user {own}; run this as that user (sudo -u …)",
            state.display(),
            known.uid()
        );
    }
    let clock = Clock::system();
    let master = MasterKey::load(state).context("the master key cannot be used")?;
    let vault = Vault::open(state, master, clock).context("the databases cannot be opened")?;
    let audit = Audit::new(vault.clone(), clock);
    let base_url = settings.http.public_base_url.clone().unwrap_or_else(|| format!("http://{}", settings.http.listen));
    // Nobody shows a token here.
    let deps = GateDeps { vault, audit, clock, settings: settings.auth.clone(), base_url, token: Secret::random()? };
    Ok(Gate::new(deps)?)
}

/// Closes the databases, whatever came of the work.
pub(super) async fn closing<T>(gate: &Gate, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let done = work.await;
    let vault = gate.vault().clone();
    tokio::task::spawn_blocking(move || vault.close()).await?;
    done
}

/// `*` is the whole box.
pub(super) fn tenant(text: Option<&str>) -> anyhow::Result<Option<TenantId>> {
    match text {
        None | Some("*") => Ok(None),
        Some(text) => Ok(Some(text.parse()?)),
    }
}

/// A new password: typed twice without being shown, or the first line of standard input.
pub(super) async fn new_password() -> anyhow::Result<Secret> {
    if !std::io::stdin().is_terminal() {
        return read_line().await;
    }
    let first = hidden("New password: ").await?;
    let second = hidden("The same again: ").await?;
    ensure!(second.matches(first.expose()), "they differ; nothing was changed");
    Ok(first)
}

async fn hidden(prompt: &'static str) -> anyhow::Result<Secret> {
    write!(std::io::stderr(), "{prompt}")?;
    std::io::stderr().flush()?;
    echo(false)?;
    let typed = tokio::select! {
        typed = read_line() => typed,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("given up; nothing was changed")),
    };
    echo(true)?;
    writeln!(std::io::stderr())?;
    typed
}

fn echo(on: bool) -> anyhow::Result<()> {
    let done =
        std::process::Command::new("stty").arg(if on { "echo" } else { "-echo" }).stdin(Stdio::inherit()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        _ => bail!("the terminal cannot hide what is typed; give the password on standard input instead"),
    }
}

async fn read_line() -> anyhow::Result<Secret> {
    let line = tokio::task::spawn_blocking(|| {
        use std::io::Read as _;
        // Longer than any password in any script; a mistaken pipe is not read whole.
        let most = limits::PASSWORD_CHARS_MAX * 4 + 2;
        let mut line = String::new();
        std::io::stdin().lock().take(most as u64).read_line(&mut line)?;
        Ok::<_, std::io::Error>(Secret::new(line.trim_end_matches(['\r', '\n'])))
    });
    let line = line.await?.context("no password could be read")?;
    ensure!(!line.is_empty(), "no password was given; type it, or give it as the first line of standard input");
    Ok(line)
}
