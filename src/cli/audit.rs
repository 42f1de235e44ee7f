//! `vaani audit`: the audit log of the box and of its tenants, read from the state directory, also
//! while the daemon runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::NotSetUp;
use super::output::{json_line, line};
use crate::auth::audit::Audit;
use crate::base::secret::hex;
use crate::base::{Clock, TenantId, limits};
use crate::config::Settings;
use crate::store::audit::{self, Chain, Filter, Head, Verifier};
use crate::store::crypt::MasterKey;
use crate::store::{Database, Vault};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Check that nobody changed, removed, added or moved an entry
    Verify(Verify),
    /// Entries, newest first
    List(List),
    /// Sign the newest entries and print the signed heads, for somebody who keeps them elsewhere
    Head(Chosen),
}

#[derive(Debug, clap::Args)]
struct Chosen {
    /// Of this tenant only; `box` is the box's own log
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Verify {
    #[command(flatten)]
    chosen: Chosen,
    /// Heads that were kept elsewhere, as `vaani audit head --json` prints them
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    chosen: Chosen,
    /// Such as customer.edit, or customer. for all that begin so
    #[arg(long)]
    what: Option<String>,
    /// Id of the account
    #[arg(long)]
    who: Option<String>,
    /// Id of what it was done to
    #[arg(long)]
    about: Option<String>,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
}

/// A head with the key it was signed with.
#[derive(Serialize, Deserialize)]
struct Signed {
    public_key: String,
    #[serde(flatten)]
    head: Head,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let vault = open(settings, clock)?;
    let done = match args.what {
        What::Verify(args) => verify(&args, &vault, clock),
        What::List(args) => list(&args, &vault),
        What::Head(args) => head(&args, &vault, clock).await,
    };
    vault.close();
    done
}

/// What the box keeps, for commands that need no daemon. It must be there: nothing is made by looking.
pub(super) fn open(settings: &Settings, clock: Clock) -> anyhow::Result<Vault> {
    let state = &settings.state.dir;
    if !state.join("system.db").exists() {
        let what = format!(
            "{} holds no box; start the daemon once, or name its directory (state.dir in vaani.toml, VAANI_STATE__DIR)",
            state.display()
        );
        return Err(NotSetUp(what).into());
    }
    Ok(Vault::open(state, MasterKey::load(state)?, clock)?)
}

/// The chains that are asked for.
fn chains(chosen: &Chosen, vault: &Vault) -> anyhow::Result<Vec<(Option<TenantId>, Database)>> {
    let own = || (None, vault.system().clone());
    match chosen.tenant.as_deref() {
        None => {
            let tenants = vault.databases().into_iter().map(|(id, db)| (Some(id), db));
            Ok(std::iter::once(own()).chain(tenants).collect())
        }
        Some("box") => Ok(vec![own()]),
        Some(name) => {
            let id: TenantId = name.parse()?;
            let db = vault.tenant(&id).with_context(|| format!("there is no tenant {name}"))?;
            Ok(vec![(Some(id), db)])
        }
    }
}

fn verify(args: &Verify, vault: &Vault, clock: Clock) -> anyhow::Result<ExitCode> {
    let kept = args.against.as_deref().map(kept_heads).transpose()?.unwrap_or_default();
    let audit = Audit::new(vault.clone(), clock);
    let key = match kept.first() {
        // Whoever kept heads kept the key as well: it is theirs that counts, not the box's word.
        Some(first) => Verifier::from_hex(&first.public_key).context("the file's public_key is no key")?,
        None => audit.verifier(),
    };
    anyhow::ensure!(
        kept.iter().all(|signed| signed.public_key == kept[0].public_key),
        "the file holds heads of several keys; check them one by one"
    );
    let outside: Vec<Head> = kept.into_iter().map(|signed| signed.head).collect();
    let mut sound = true;
    for (tenant, db) in chains(&args.chosen, vault)? {
        let chain = Chain::of(tenant.as_ref());
        let mut heads = outside.clone();
        if tenant.is_some() {
            heads.extend(vault.system().read_blocking(|db| audit::heads(db, &chain, usize::MAX))?);
        }
        let report = db.read_blocking(|db| audit::verify(db, &chain, &key, &heads))?;
        sound &= report.is_sound();
        if args.chosen.json {
            json_line(&report)?;
            continue;
        }
        let name = report.chain.as_str();
        match &report.wrong {
            None => line(&format!(
                "{name}: sound; {} entries ({} to {}), {} signed heads hold, {} entries not signed yet",
                report.entries, report.first, report.last, report.heads, report.unsigned
            ))?,
            Some(wrong) => line(&format!("{name}: NOT SOUND from entry {}: {}", wrong.seq, wrong.text))?,
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn kept_heads(file: &Path) -> anyhow::Result<Vec<Signed>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let heads: Vec<Signed> = lines
        .map(|(at, line)| {
            serde_json::from_str(line).with_context(|| {
                format!("{} line {} is no signed head; `vaani audit head --json` prints them", file.display(), at + 1)
            })
        })
        .collect::<anyhow::Result<_>>()?;
    anyhow::ensure!(!heads.is_empty(), "{} holds no head; `vaani audit head --json` prints them", file.display());
    Ok(heads)
}

fn list(args: &List, vault: &Vault) -> anyhow::Result<ExitCode> {
    let filter =
        Filter { what: args.what.clone(), who: args.who.clone(), about: args.about.clone(), ..Filter::default() };
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    for (tenant, db) in chains(&args.chosen, vault)? {
        let chain = Chain::of(tenant.as_ref());
        for entry in db.read_blocking(|db| audit::list(db, &filter, None, limit))? {
            if args.chosen.json {
                json_line(&serde_json::json!({ "chain": chain, "entry": entry }))?;
                continue;
            }
            let at = jiff::Timestamp::from_millisecond(i64::try_from(entry.at_ms)?)?;
            let who = [&entry.who.kind, &entry.who.name, &entry.who.role].map(String::as_str).join(" ");
            line(&format!(
                "{}  {:>7}  {at}  {who:<32}  {:<24}  {}  {}",
                chain.as_str(),
                entry.seq,
                entry.what,
                entry.about,
                entry.detail
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn head(chosen: &Chosen, vault: &Vault, clock: Clock) -> anyhow::Result<ExitCode> {
    let audit = Audit::new(vault.clone(), clock);
    audit.sign_now().await?;
    let public_key = audit.verifier().to_hex();
    if !chosen.json {
        line(&format!("public key {public_key}"))?;
    }
    for (tenant, db) in chains(chosen, vault)? {
        let chain = Chain::of(tenant.as_ref());
        for head in db.read_blocking(|db| audit::heads(db, &chain, limits::AUDIT_HEADS_SHOWN))? {
            if chosen.json {
                json_line(&Signed { public_key: public_key.clone(), head })?;
            } else {
                let (hash, signature) = (hex(&head.hash), hex(&head.signature));
                line(&format!(
                    "{} entry {} hash {hash} at {} signature {signature}",
                    chain.as_str(),
                    head.seq,
                    head.at_ms
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
