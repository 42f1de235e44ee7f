//! What the box keeps, opened: one daemon a state directory, secrets made at the first start, the
//! databases, and the ends of calls that a dead process left open. Promise: a full disk keeps the
//! daemon from no start; what should have been written is written when there is room.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::auth::{Gate, setup};
use crate::base::event::{CallState, EndCause, Event, Record};
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::campaigns::lists::Lists;
use crate::config::Settings;
use crate::dialogue::states::States;
use crate::store::Vault;
use crate::store::crypt::MasterKey;
use crate::store::journal::{Journal, Unfinished};

/// One daemon a state directory: two would write into each other's journal.
pub(super) fn only_one(state: &Path) -> anyhow::Result<std::fs::File> {
    let path = state.join("lock");
    let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        anyhow::anyhow!("another vaani uses the state directory {}; stop it, or set state.dir", state.display())
    })?;
    Ok(file)
}

/// A secret made at first start and kept readable by the daemon's user alone.
pub(super) fn kept_secret(path: &Path) -> anyhow::Result<Secret> {
    if let Ok(text) = std::fs::read_to_string(path)
        && !text.trim().is_empty()
    {
        return Ok(Secret::new(text.trim()));
    }
    let secret = Secret::random()?;
    let fresh = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
    std::io::Write::write_all(&mut file, secret.expose().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path).with_context(|| format!("could not keep {}", path.display()))?;
    Ok(secret)
}

/// Opens what the box keeps.
pub(super) fn open_vault(state: &Path, clock: Clock) -> anyhow::Result<Vault> {
    Ok(Vault::open(state, MasterKey::load(state)?, clock)?)
}

/// Calls that were live when the last process died get their end now, or once there is room for it.
pub(super) async fn close_lost_calls(journal: &Journal, clock: Clock) {
    let lost = journal.unfinished();
    if lost.is_empty() {
        return;
    }
    tracing::warn!(calls = lost.len(), "the last run ended with live calls; recording their end");
    let mut failed = 0;
    for Unfinished { call, call_ms, .. } in lost {
        let event = Event::CallEnded {
            outcome: CallState::Failed,
            cause: EndCause::ProcessLost,
            duration_ms: call_ms,
            turns: 0,
        };
        let record = Record { call, unix_ms: clock.unix_ms(clock.now()), call_ms, event };
        failed += usize::from(journal.append_durable(record).await.is_err());
    }
    if failed > 0 {
        tracing::error!(calls = failed, "their end could not be recorded; it is tried again until it can");
    }
}

/// What reading lists of customers needs of the site.
pub(super) fn load_lists(settings: &Settings) -> anyhow::Result<Lists> {
    let path = settings.data.config_dir.join("states.toml");
    let states = if path.exists() { States::load(&path)? } else { States::default() };
    Ok(Lists::new(states, jiff::tz::TimeZone::system()))
}

/// Lists of customers that were being written when the last process died leave nothing behind.
pub(super) fn forget_half_lists(vault: &Vault, lists: &Lists, clock: Clock) {
    for (tenant, db) in vault.databases() {
        if let Err(error) = lists.leave_unfinished(&db) {
            tracing::error!(%tenant, %error, "lists that were being written cannot be looked for; the next start does");
        }
    }
    clear_left(lists, clock);
}

fn clear_left(lists: &Lists, clock: Clock) {
    let done = lists.clear_left(i64::try_from(clock.unix_ms(clock.now())).unwrap_or(i64::MAX));
    if done > 0 {
        tracing::warn!(lists = done, "removed what was left of lists that were being written");
    }
}

/// Does what could not be done for want of room, once there is some.
pub(super) async fn catch_up(vault: Vault, journal: Journal, lists: Lists, clock: Clock, scope: Scope) {
    loop {
        tokio::select! {
            () = scope.stopped() => break,
            () = tokio::time::sleep(limits::STORE_RETRY) => {}
        }
        // Whoever looks at the disk says when it takes something again.
        if vault.disk().is_failing() {
            continue;
        }
        if journal.waiting() > 0 {
            let before = journal.waiting();
            journal.catch_up().await;
            let waiting = journal.waiting();
            if waiting < before {
                tracing::info!(
                    written = before - waiting,
                    waiting,
                    "facts of calls that waited for room were recorded"
                );
            }
        }
        if lists.has_left() {
            let lists = lists.clone();
            drop(tokio::task::spawn_blocking(move || clear_left(&lists, clock)).await);
        }
    }
    journal.catch_up().await;
    let lost = journal.waiting();
    if lost > 0 {
        tracing::error!(
            facts = lost,
            "facts of calls found no room and are lost; calls without an end get one at the next start"
        );
    }
}

/// While nobody exists: a code for the first admin, on the console and in the log. On a full disk it
/// comes when there is room for it.
pub(super) async fn invite_first_admin(gate: &Gate, scope: &Scope) {
    let Err(error) = invite(gate).await else { return };
    tracing::error!(%error, "no set-up code for a first admin could be made; it is tried again");
    let (gate, stop) = (gate.clone(), scope.clone());
    scope.spawn("set-up code", async move {
        loop {
            tokio::select! {
                () = stop.stopped() => return,
                () = tokio::time::sleep(limits::STORE_RETRY) => {}
            }
            if invite(&gate).await.is_ok() {
                return;
            }
        }
    });
}

async fn invite(gate: &Gate) -> anyhow::Result<()> {
    let asking = gate.clone();
    let code = tokio::task::spawn_blocking(move || setup::code(asking.vault().system(), asking.now_ms())).await??;
    if let Some(code) = code {
        let banner = setup::banner(&code, gate.base_url());
        // Not through the log: it may be set to say nothing.
        std::io::Write::write_all(&mut std::io::stderr(), banner.as_bytes())?;
    }
    Ok(())
}
