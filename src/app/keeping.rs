//! What the box keeps, opened: one daemon a state directory, secrets made at the first start, the
//! databases, and the ends of calls that a dead process left open.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::base::event::{CallState, EndCause, Event, Record};
use crate::base::secret::Secret;
use crate::base::{Clock, TenantId};
use crate::call::script::Scripts;
use crate::campaigns::import;
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

/// Opens what the box keeps; tenants that agents name are made.
pub(super) fn open_vault(state: &Path, scripts: &Scripts, clock: Clock) -> anyhow::Result<Vault> {
    let vault = Vault::open(state, MasterKey::load(state)?, clock)?;
    for script in scripts.all().filter(|script| !script.tenant().is_empty()) {
        let name = script.tenant();
        let id: TenantId = name.parse().with_context(|| {
            format!("the agent {} has the tenant {name:?} (routing.tenant of its file)", script.name())
        })?;
        // One that is damaged is told by health; calls of the others go on.
        if !vault.broken().contains_key(&id) {
            vault.create_tenant(&id, name)?;
        }
    }
    Ok(vault)
}

/// Calls that were live when the last process died get their end now.
pub(super) async fn close_lost_calls(journal: &Journal, clock: Clock) -> anyhow::Result<()> {
    let lost = journal.unfinished()?;
    if !lost.is_empty() {
        tracing::warn!(calls = lost.len(), "the last run ended with live calls; recording their end");
    }
    for Unfinished { call, call_ms, .. } in lost {
        let event = Event::CallEnded {
            outcome: CallState::Failed,
            cause: EndCause::ProcessLost,
            duration_ms: call_ms,
            turns: 0,
        };
        let record = Record { call, unix_ms: clock.unix_ms(clock.now()), call_ms, event };
        journal.append_durable(record).await?;
    }
    Ok(())
}

/// What reading lists of customers needs of the site.
pub(super) fn load_lists(settings: &Settings) -> anyhow::Result<Lists> {
    let path = settings.data.config_dir.join("states.toml");
    let states = if path.exists() { States::load(&path)? } else { States::default() };
    Ok(Lists::new(states, jiff::tz::TimeZone::system()))
}

/// Lists of customers that were being written when the last process died leave nothing behind.
pub(super) fn forget_half_lists(vault: &Vault, clock: Clock) -> anyhow::Result<()> {
    let now_ms = i64::try_from(clock.unix_ms(clock.now())).unwrap_or(i64::MAX);
    for (tenant, db) in vault.databases() {
        let lists = import::recover(&db, now_ms)?;
        if lists > 0 {
            tracing::warn!(%tenant, lists, "removed what was left of lists that were being written");
        }
    }
    Ok(())
}
