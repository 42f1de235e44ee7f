//! `vaani backup`: one sealed copy of the whole state, whether the daemon runs or not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;

use super::output::{complain, json_line, line};
use crate::base::Clock;
use crate::config::{Address, S3, Settings};
use crate::ops::backups;
use crate::store::backup::{self, ENDING, Source};
use crate::store::depot::Depot;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// A folder, file:///folder, s3://bucket/prefix, or one of these and a name that ends with .vbk
    /// (default: backup.to of vaani.toml).
    to: Option<String>,
    /// The file that holds the master key, if it is not where the daemon has it.
    #[arg(long, value_name = "FILE", global = true)]
    key_file: Option<PathBuf>,
    /// One JSON object a backup.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The backups there are, oldest first.
    List {
        /// Where (default: backup.to of vaani.toml).
        from: Option<String>,
    },
    /// Read a backup to its end and examine every database in it.
    Verify {
        /// A file, a name of `vaani backup list`, or s3://bucket/prefix/name.
        file: String,
    },
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    match &args.what {
        None => make(&args, settings).await,
        Some(What::List { from }) => list(from.as_deref(), settings, args.json).await,
        Some(What::Verify { file }) => verify(file, &args, settings).await,
    }
}

/// Disk, network and databases are waited for on a thread that may.
pub(super) async fn wait<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work broke")?
}

async fn make(args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let (depot, name) = match &args.to {
        None => (backups::depot(settings)?, None),
        Some(to) => target(to, settings)?,
    };
    let key = backup::find_key(&settings.state.dir, args.key_file.as_deref())?;
    let source = Source {
        state: settings.state.dir.clone(),
        config: Some(settings.data.config_dir.clone()),
        master: key.master,
    };
    let now = Clock::system().wall_ms();
    let made = wait(move || Ok(backup::make(&source, &depot, name.as_deref(), now, &|| false)?)).await?;
    for remark in &made.remarks {
        complain(remark);
    }
    if args.json {
        json_line(&made)?;
    } else {
        line(&format!("{}/{}", made.to, made.name))?;
        line(&format!("{} databases, {} objects, {}", made.databases, made.objects, size(made.bytes)))?;
        line("it cannot be opened without the master key: keep a copy of that key apart from it")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a backup goes, and the name if one is given with it.
fn target(to: &str, settings: &Settings) -> anyhow::Result<(Depot, Option<String>)> {
    let (place, name) = match to.rsplit_once('/') {
        Some((place, name)) if name.ends_with(ENDING) => (if place.is_empty() { "/" } else { place }, Some(name)),
        None if to.ends_with(ENDING) => (".", Some(to)),
        _ => (to, None),
    };
    Ok((depot(place, settings)?, name.map(str::to_owned)))
}

fn depot(place: &str, settings: &Settings) -> anyhow::Result<Depot> {
    let address = Address::parse(place, &std::env::current_dir()?);
    let address = address.map_err(|fault| anyhow::anyhow!("{place:?} {fault}"))?;
    Ok(Depot::open(&address, s3(settings))?)
}

fn s3(settings: &Settings) -> &S3 {
    settings.backup.s3.as_ref().unwrap_or(&settings.objects.s3)
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    bytes: u64,
    put_ms: u64,
}

async fn list(from: Option<&str>, settings: &Settings, json: bool) -> anyhow::Result<ExitCode> {
    let depot = match from {
        None => backups::depot(settings)?,
        Some(from) => depot(from, settings)?,
    };
    let shown = depot.shown();
    let kept = wait(move || Ok(backup::list(&depot)?)).await?;
    if kept.is_empty() && !json {
        complain(&format!("there is no backup in {shown}"));
    }
    for one in &kept {
        if json {
            json_line(&Listed { name: &one.name, bytes: one.bytes, put_ms: one.unix_ms })?;
        } else {
            line(&format!("{:<36} {:>10}", one.name, size(one.bytes)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(file: &str, args: &Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let key = backup::find_key(&settings.state.dir, args.key_file.as_deref())?;
    let found = find(file, settings)?;
    // Databases are examined where there is room, and never beside a state that may not be ours to write.
    let scratch = std::env::temp_dir();
    let manifest = wait(move || {
        let (source, _) = found.open()?;
        Ok(backup::verify(source, &key.master, &scratch, &|| false)?)
    })
    .await?;
    for remark in &manifest.remarks {
        complain(remark);
    }
    if args.json {
        json_line(&manifest)?;
    } else {
        let databases = manifest.members.iter().filter(|m| m.kind == backup::Kind::Database).count();
        let bytes = size(manifest.bytes());
        line(&format!(
            "good: made by vaani {}, {databases} databases, {} objects, {bytes}",
            manifest.head.vaani, manifest.objects.count
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a backup lies.
pub(super) enum Found {
    File(PathBuf),
    Kept(Depot, String),
}

impl Found {
    /// The sealed bytes, and how many there are.
    pub(super) fn open(&self) -> anyhow::Result<(Box<dyn std::io::Read>, u64)> {
        match self {
            Self::File(path) => {
                let file = std::fs::File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
                let bytes = file.metadata()?.len();
                Ok((Box::new(file), bytes))
            }
            Self::Kept(depot, name) => {
                let download = depot.download(name)?;
                let bytes = download.bytes;
                Ok((Box::new(download), bytes))
            }
        }
    }
}

/// A path, a name in the usual place, or an address with a name at its end.
pub(super) fn find(text: &str, settings: &Settings) -> anyhow::Result<Found> {
    let path = text.strip_prefix("file://").unwrap_or(text);
    if Path::new(path).is_file() {
        return Ok(Found::File(path.into()));
    }
    if text.starts_with("s3://") {
        let Some((place, name)) = text.rsplit_once('/').filter(|(_, name)| name.ends_with(ENDING)) else {
            bail!("{text:?} names no backup; `vaani backup list {text}` shows what lies there");
        };
        return Ok(Found::Kept(depot(place, settings)?, name.to_owned()));
    }
    if !text.contains('/') {
        return Ok(Found::Kept(backups::depot(settings)?, text.to_owned()));
    }
    bail!("there is no file {path}; `vaani backup list` shows the backups of this box")
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(text: &str) -> Result<Args, clap::Error> {
        Cli::try_parse_from(std::iter::once("backup").chain(text.split_whitespace())).map(|cli| cli.args)
    }

    #[test]
    fn a_place_and_the_subcommands_are_told_apart() {
        assert!(parse("").unwrap().what.is_none());
        assert_eq!(parse("s3://bucket/x --json").unwrap().to.as_deref(), Some("s3://bucket/x"));
        assert!(matches!(
            parse("list --json").unwrap(),
            Args { json: true, what: Some(What::List { from: None }), .. }
        ));
        assert!(matches!(parse("verify a.vbk").unwrap().what, Some(What::Verify { file }) if file == "a.vbk"));
        assert!(parse("verify").is_err());
        assert!(parse("a b").is_err());
    }
}
