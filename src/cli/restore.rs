//! `vaani restore`: a backup becomes a state directory again.

use std::path::PathBuf;
use std::process::ExitCode;

use super::backup::{find, wait};
use super::output::{complain, json_line, line};
use crate::config::Settings;
use crate::store::backup;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file, a name of `vaani backup list`, or s3://bucket/prefix/name.
    from: String,
    /// The state directory to be: a new or an empty one.
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The file that holds the master key of the box the backup is of.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Put a state that lies there aside.
    #[arg(long)]
    force: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let key = backup::find_key(&settings.state.dir, args.key_file.as_deref())?;
    let found = find(&args.from, settings)?;
    let (into, force) = (args.into, args.force);
    let restored = wait(move || {
        let (source, bytes) = found.open()?;
        Ok(backup::restore(source, Some(bytes), &key, &into, force)?)
    })
    .await?;
    for remark in &restored.remarks {
        complain(remark);
    }
    if args.json {
        json_line(&restored)?;
        return Ok(ExitCode::SUCCESS);
    }
    line(&format!(
        "{} holds the state of that time: {} databases, {} objects",
        restored.into.display(),
        restored.databases,
        restored.objects
    ))?;
    if let Some(aside) = &restored.aside {
        line(&format!("what was there before is in {}", aside.display()))?;
    }
    if let Some(config) = &restored.config {
        line(&format!("the configuration of that time is in {}; copy from it what you need", config.display()))?;
    }
    line(&format!("to use it: set state.dir = {:?}, give it to the daemon's user, start vaani", restored.into))?;
    Ok(ExitCode::SUCCESS)
}
