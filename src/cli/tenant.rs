//! `vaani tenant`: the customers of the box.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::access::{caller, closing, open};
use super::output::{json_line, line};
use crate::auth::Gate;
use crate::base::TenantId;
use crate::config::Settings;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
    /// One JSON object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(clap::Subcommand, Debug)]
pub enum What {
    /// A tenant with a database and a key of its own; a running daemon knows it at once.
    Add {
        id: TenantId,
        /// As people read it.
        name: String,
    },
    /// Those there are, and those that were shredded.
    List,
    /// Destroys a tenant's key and data for good. The daemon must be stopped (or ask it over the API).
    Shred {
        id: TenantId,
        /// The tenant's id once more.
        #[arg(long, value_name = "ID")]
        confirm: String,
    },
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    if let What::Shred { id, confirm } = &args.what {
        ensure!(
            confirm == id.as_str(),
            "everything of the tenant {id} would be destroyed; write `--confirm {id}` if you mean it"
        );
    }
    // A daemon that runs would go on writing into files that are gone.
    let _alone = matches!(args.what, What::Shred { .. }).then(|| stopped(settings)).transpose()?;
    let gate = open(settings)?;
    closing(&gate, work(&gate, args)).await?;
    Ok(ExitCode::SUCCESS)
}

/// The daemon's lock, held until the work is done.
fn stopped(settings: &Settings) -> anyhow::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = settings.state.dir.join("lock");
    let file = std::fs::OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("could not open {}", path.display()))?;
    let taken = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    ensure!(taken.is_ok(), "the daemon is running; stop it, or send DELETE /api/tenants/ID to it");
    Ok(file)
}

async fn work(gate: &Gate, args: Args) -> anyhow::Result<()> {
    match args.what {
        What::Add { id, name } => {
            gate.make_tenant(&caller(), &id, &name).await?;
            if args.json {
                json_line(&json!({ "id": id, "name": name }))?;
            } else {
                line(&format!("the tenant {id} is there"))?;
            }
        }
        What::List => {
            let vault = gate.vault().clone();
            for row in tokio::task::spawn_blocking(move || vault.list()).await?? {
                if args.json {
                    json_line(&row)?;
                } else {
                    let state = if row.shredded_ms.is_some() { "shredded" } else { "" };
                    line(format!("{:<24} {:<40} {state}", row.id.as_str(), row.name).trim_end())?;
                }
            }
        }
        What::Shred { id, .. } => {
            gate.shred(&caller(), &id).await?;
            if args.json {
                json_line(&json!({ "id": id, "shredded": true }))?;
            } else {
                line(&format!("the tenant {id} is destroyed"))?;
            }
        }
    }
    Ok(())
}
