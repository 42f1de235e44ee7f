//! `vaani privacy`: everything the box keeps of one person, told or erased, also while the daemon runs.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::audit::open;
use super::output::{complain, json_line, line};
use crate::auth::Principal;
use crate::auth::audit::Audit;
use crate::base::phone::Phone;
use crate::base::secret::KeyedHash;
use crate::base::{Clock, TenantId};
use crate::config::Settings;
use crate::store::person::{self, Asked, Purpose};
use crate::store::{Database, Vault, care};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write everything that is kept of one person into a file
    Export(Export),
    /// Erase one person; what law obliges to keep is kept and named
    Erase(Erase),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// Number; `-` reads it from standard input, so that no list of processes shows it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    phone: Option<String>,
    /// Id of a customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    whom: Whom,
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    /// A new file, for your eyes only
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Erase {
    #[command(flatten)]
    whom: Whom,
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    /// It cannot be undone
    #[arg(long)]
    yes: bool,
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let clock = Clock::system();
    let vault = open(settings, clock)?;
    let done = match args.what {
        What::Export(args) => export(&args, &vault, clock).await,
        What::Erase(args) => erase(&args, &vault, clock).await,
    };
    vault.close();
    done
}

impl Whom {
    fn asked(&self) -> anyhow::Result<Asked> {
        if let Some(id) = &self.customer {
            return Ok(Asked::Customer(id.clone()));
        }
        let mut written = self.phone.clone().unwrap_or_default();
        if written == "-" {
            written.clear();
            std::io::stdin().read_line(&mut written)?;
        }
        Phone::written(written.trim()).map(Asked::Phone).map_err(anyhow::Error::msg)
    }
}

fn tenant(vault: &Vault, name: &str) -> anyhow::Result<(TenantId, Database)> {
    let id: TenantId = name.parse()?;
    let db = vault.tenant(&id).with_context(|| format!("there is no tenant {name}"))?;
    Ok((id, db))
}

fn hash_of(vault: &Vault) -> KeyedHash {
    KeyedHash::of_key(&vault.master().derive("phone hash"))
}

async fn export(args: &Export, vault: &Vault, clock: Clock) -> anyhow::Result<ExitCode> {
    let (id, db) = tenant(vault, &args.tenant)?;
    let (asked, hash, now_ms) = (args.whom.asked()?, hash_of(vault), clock.unix_ms(clock.now()));
    let subject = db.read_blocking(|db| person::find(db, &asked, &hash, Purpose::Export))?;
    anyhow::ensure!(!subject.is_unknown(), "there is no customer of that id");
    let detail = json!({ "calls": subject.calls.len(), "customers": subject.customers.len() });
    let who = Principal::the_box("command line");
    Audit::new(vault.clone(), clock).note(Some(&id), &who, "person.export", &subject.name, detail).await?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.output);
    let file =
        file.with_context(|| format!("{} cannot be made; name a file that is not there", args.output.display()))?;
    let mut out = BufWriter::new(file);
    let rows = db.read_blocking(|db| person::export(db, &subject, now_ms, &mut out))?;
    out.flush()?;
    out.get_ref().sync_all()?;
    if args.json {
        json_line(&json!({ "rows": rows, "file": args.output }))?;
    } else {
        line(&format!("{rows} rows are in {}", args.output.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn erase(args: &Erase, vault: &Vault, clock: Clock) -> anyhow::Result<ExitCode> {
    if !args.yes {
        complain("erasing cannot be undone; say --yes if you mean it, and export first if the person asked for it");
        return Ok(ExitCode::from(2));
    }
    let (id, db) = tenant(vault, &args.tenant)?;
    let (asked, hash, now_ms) = (args.whom.asked()?, hash_of(vault), clock.unix_ms(clock.now()));
    let subject = db.read_blocking(|db| person::find(db, &asked, &hash, Purpose::Erase))?;
    let audit = Audit::new(vault.clone(), clock);
    let who = Principal::the_box("command line");
    let (pen, actor, name) = (audit.clone(), who.clone(), subject.name.clone());
    let erased = db
        .write(move |db| {
            let receipt = person::erase(db, subject, &actor.actor(), now_ms)?;
            let detail = json!({ "receipt": receipt.id, "gone": receipt.gone, "repeated": receipt.repeated });
            pen.note_in(db, &actor, "person.erase", &receipt.subject, detail)?;
            Ok(receipt)
        })
        .await;
    let receipt = match erased {
        Ok(receipt) => receipt,
        Err(error) => {
            audit.note(Some(&id), &who, "person.erase.refused", &name, json!({})).await?;
            return Err(error.into());
        }
    };
    care::checkpoint(&db)?;
    if args.json {
        json_line(&receipt)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(&format!("receipt {} of {}", receipt.id, receipt.subject))?;
    if receipt.repeated {
        line("  nothing was left to erase; this is the receipt of the last time")?;
    }
    for (table, rows) in &receipt.gone {
        line(&format!("  erased {rows:>7}  {table}"))?;
    }
    for kept in &receipt.kept {
        line(&format!("  kept   {:>7}  {}: {}", kept.rows, kept.what, kept.reason))?;
    }
    line(
        "  a running daemon may still show words of its last calls until it is restarted; backups keep what they hold",
    )?;
    Ok(ExitCode::SUCCESS)
}
