//! `vaani models`: which models there are, whether their files are whole, and taking files in.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::output::{complain, json_line, line};
use crate::ai::catalogue::{
    Catalogue, Commercial, Format, Model, Task, Verdict, checksum, piper_config, recognise, verify,
};
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
    /// The models of the catalogue and those that were imported.
    List,
    /// Compares files with their checksums; without ids, every model that is here.
    Verify { ids: Vec<String> },
    /// Copies a Whisper, GGUF or Piper file into the models folder and notes its checksum.
    Import {
        file: PathBuf,
        /// Name of the copy, without the ending; by default the file's own.
        #[arg(long)]
        name: Option<String>,
    },
}

/// A model that was taken in on this box; kept in the state folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Imported {
    /// What to write into the configuration: `model = "…"`.
    path: PathBuf,
    task: Task,
    format: Format,
    bytes: u64,
    sha256: String,
    /// The catalogue's entry with this checksum, if there is one.
    catalogue: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    #[serde(default, rename = "model")]
    models: Vec<Imported>,
}

const REGISTER: &str = "models.toml";

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::shipped()?;
    let json = args.json;
    let (models_dir, state_dir) = (settings.data.models_dir.clone(), settings.state.dir.clone());
    // Reading gigabytes is not for the runtime's threads.
    tokio::task::spawn_blocking(move || match args.what {
        What::List => list(&catalogue, &models_dir, &state_dir, json),
        What::Verify { ids } => check(&catalogue, &models_dir, &state_dir, &ids, json),
        What::Import { file, name } => import(&catalogue, &models_dir, &state_dir, &file, name.as_deref(), json),
    })
    .await
    .context("failed to run the command")?
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    model: &'a Model,
    present: bool,
    loadable: bool,
}

fn list(catalogue: &Catalogue, models_dir: &Path, state_dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let register = Register::read(state_dir)?;
    for model in &catalogue.models {
        let imported = register.models.iter().any(|i| i.catalogue.as_deref() == Some(&model.id));
        let present = imported || model.is_present(models_dir);
        if json {
            json_line(&Listed { model, present, loadable: model.format.is_loadable() })?;
            continue;
        }
        let size =
            model.total_bytes().map_or_else(|| "?".to_owned(), |bytes| format!("{} MB", bytes.div_ceil(1_000_000)));
        let languages: Vec<_> = model.languages.iter().map(|l| l.iso()).collect();
        line(&format!(
            "{} {:<32} {:<4} {:>8}  {:<32} {:<28} {}",
            if present { "*" } else { " " },
            model.id,
            word(&model.task),
            size,
            languages.join(" "),
            model.licence,
            match model.commercial {
                Commercial::Yes => "commercial use",
                Commercial::No => "no commercial use",
                Commercial::Unknown => "commercial use unknown",
            },
        ))?;
    }
    for model in &register.models {
        if json {
            json_line(&serde_json::json!({ "imported": model, "present": models_dir.join(&model.path).is_file() }))?;
        } else {
            line(&format!("* {} (imported, {})", model.path.display(), word(&model.task)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The name a value has in the catalogue.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[derive(Serialize)]
struct Checked<'a> {
    id: &'a str,
    file: &'a Path,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

fn check(
    catalogue: &Catalogue,
    models_dir: &Path,
    state_dir: &Path,
    ids: &[String],
    json: bool,
) -> anyhow::Result<ExitCode> {
    let register = Register::read(state_dir)?;
    let mut checks = Vec::new();
    for model in &catalogue.models {
        // What is shipped has to be there; other models only when somebody asks.
        let wanted = if ids.is_empty() { model.source.starts_with("models/") } else { ids.contains(&model.id) };
        if wanted {
            ensure!(!model.files.is_empty(), "the catalogue knows no file of {}", model.id);
            checks.extend(model.files.iter().map(|f| (model.id.clone(), f.clone())));
        }
    }
    for model in &register.models {
        let id = model.path.display().to_string();
        if ids.is_empty() || ids.contains(&id) {
            checks.push((id, model.file()));
        }
    }
    if let Some(id) = ids.iter().find(|id| !checks.iter().any(|(known, _)| known == *id)) {
        bail!("no model is called {id:?}; `vaani models list` shows them");
    }
    let mut bad = false;
    for (id, file) in &checks {
        let verdict = verify(file, models_dir).with_context(|| format!("failed to read {}", file.path.display()))?;
        bad |= verdict != Verdict::Good;
        if json {
            json_line(&Checked { id, file: &file.path, verdict: &verdict })?;
        } else {
            let said = match &verdict {
                Verdict::Good => "good".to_owned(),
                Verdict::Missing => "missing".to_owned(),
                Verdict::WrongSize { bytes, expected } => format!("has {bytes} bytes instead of {expected}"),
                Verdict::WrongSum { sha256 } => format!("is changed (sha256 {sha256})"),
                Verdict::Unverifiable { sha256 } => format!("cannot be verified (sha256 {sha256})"),
            };
            line(&format!("{}: {said}", file.path.display()))?;
        }
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn import(
    catalogue: &Catalogue,
    models_dir: &Path,
    state_dir: &Path,
    file: &Path,
    name: Option<&str>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let kind = recognise(file).with_context(|| format!("failed to open {}", file.display()))?;
    let Some((task, format)) = kind else {
        bail!(
            "{} is no Whisper (ggml), GGUF or Piper file; a Piper voice needs its .onnx.json beside it",
            file.display()
        );
    };
    let own = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let name = name.unwrap_or(own);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    ensure!(
        !name.is_empty() && !name.starts_with('.') && name.chars().all(plain),
        "{name:?} is no name for a model file; give one of letters, digits, - . _ with --name"
    );
    let ending = match format {
        Format::Whisper => "bin",
        Format::Gguf => "gguf",
        Format::Piper | Format::Onnx => "onnx",
    };
    let path = Path::new("imported").join(word(&task)).join(format!("{name}.{ending}"));
    let target = models_dir.join(&path);
    let (sha256, bytes) = copy(file, &target)?;
    if format == Format::Piper {
        copy(&piper_config(file), &piper_config(&target))?;
    }
    let known = catalogue.of_checksum(&sha256);
    let imported = Imported { path, task, format, bytes, sha256, catalogue: known.map(|m| m.id.clone()) };
    let mut register = Register::read(state_dir)?;
    register.models.retain(|m| m.path != imported.path);
    register.models.push(imported.clone());
    register.write(state_dir)?;
    if known.is_none_or(|m| m.commercial != Commercial::Yes) {
        complain("nobody has settled whether this model may be used commercially; read its licence");
    }
    if json {
        json_line(&imported)?;
    } else {
        line(&format!("sha256 {}", imported.sha256))?;
        line(&format!("to use it: [engines.{}] model = \"{}\"", word(&task), imported.path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies so that a half-written file never stands under the model's name.
fn copy(from: &Path, to: &Path) -> anyhow::Result<(String, u64)> {
    let folder = to.parent().context("the models folder has no name")?;
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let copied = (|| {
        let mut target = File::create(&part)?;
        let sum = checksum(&mut File::open(from)?, &mut target)?;
        target.sync_all()?;
        fs::rename(&part, to)?;
        io::Result::Ok(sum)
    })();
    if copied.is_err() {
        // What could not be copied is of no use; that it could not be removed is a lesser worry.
        drop(fs::remove_file(&part));
    }
    copied.with_context(|| format!("failed to copy {} to {}", from.display(), to.display()))
}

impl Imported {
    fn file(&self) -> crate::ai::catalogue::ModelFile {
        crate::ai::catalogue::ModelFile {
            path: self.path.clone(),
            bytes: self.bytes,
            sha256: crate::ai::catalogue::Checksum::Known(self.sha256.clone()),
        }
    }
}

impl Register {
    fn read(state_dir: &Path) -> anyhow::Result<Self> {
        let path = state_dir.join(REGISTER);
        match fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("failed to read {}", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
        }
    }

    fn write(&self, state_dir: &Path) -> anyhow::Result<()> {
        let path = state_dir.join(REGISTER);
        let part = state_dir.join(format!("{REGISTER}.part"));
        let text = toml::to_string(self)?;
        fs::create_dir_all(state_dir)
            .and_then(|()| fs::write(&part, text))
            .and_then(|()| fs::rename(&part, &path))
            .with_context(|| format!("failed to write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imported_file_is_copied_noted_and_verified() {
        let (models, state, from) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let catalogue = Catalogue::shipped().unwrap();
        let source = from.path().join("My-model.gguf");
        fs::write(&source, b"GGUF and the rest").unwrap();
        let import = |file: &Path| import(&catalogue, models.path(), state.path(), file, None, true);
        import(&source).unwrap();
        import(&source).unwrap();
        let register = Register::read(state.path()).unwrap();
        assert_eq!(register.models.len(), 1);
        let model = &register.models[0];
        assert_eq!((model.path.to_str().unwrap(), model.task), ("imported/llm/My-model.gguf", Task::Llm));
        assert_eq!(fs::read(models.path().join(&model.path)).unwrap(), b"GGUF and the rest");
        assert_eq!(verify(&model.file(), models.path()).unwrap(), Verdict::Good);
        fs::write(models.path().join(&model.path), b"GGUF and a change").unwrap();
        let ids = [model.path.display().to_string()];
        let verdict = check(&catalogue, models.path(), state.path(), &ids, true).unwrap();
        assert_eq!(format!("{verdict:?}"), format!("{:?}", ExitCode::FAILURE));

        fs::write(from.path().join("readme.txt"), "hello").unwrap();
        assert!(import(&from.path().join("readme.txt")).unwrap_err().to_string().contains("no Whisper"));
        let strange = from.path().join("a b.gguf");
        fs::write(&strange, b"GGUF").unwrap();
        assert!(import(&strange).unwrap_err().to_string().contains("--name"));
        assert!(check(&catalogue, models.path(), state.path(), &["nobody".to_owned()], true).is_err());
    }
}
