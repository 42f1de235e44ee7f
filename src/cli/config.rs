//! `vaani config check`: is the configuration right, all of it together?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::ai::router::Table;
use crate::config::{At, ConfigError, Environment, ExotelReadiness, Problem, Settings};
use crate::dialogue::policy::Policy;
use crate::dialogue::shelf::Shelf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Reads the configuration as the daemon would and tells everything that is wrong with it.
    Check {
        /// The directory that holds vaani.toml [default: the one the daemon would use]
        dir: Option<PathBuf>,
        /// One JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// What a right configuration holds.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    pub config_dir: PathBuf,
    pub agents: Vec<String>,
    pub default_agent: String,
    pub languages: usize,
    /// Not wrong, but worth knowing.
    pub remarks: Vec<String>,
}

/// Checks the settings, agents, prompts and tables of `dir` together.
pub fn check_dir(dir: Option<&Path>) -> Result<Report, Vec<Problem>> {
    check_with(dir, &Environment::of_process())
}

fn check_with(dir: Option<&Path>, environment: &Environment) -> Result<Report, Vec<Problem>> {
    let mut problems = Vec::new();
    let settings = Settings::load_from(dir, environment);
    let config_dir = match (&settings, dir) {
        (Ok(settings), _) => settings.data.config_dir.clone(),
        // The other files are looked at even if vaani.toml is wrong: all faults are told at once.
        (Err(_), Some(dir)) => environment.working.join(dir),
        (Err(error), None) => return Err(error.problems.clone()),
    };
    if let Err(ConfigError { problems: of_settings }) = &settings {
        problems.extend(of_settings.iter().cloned());
        if !config_dir.is_dir() {
            return Err(problems);
        }
    }
    let shelf = Shelf::load(&config_dir).map_err(|error| problems.extend(error.problems));
    let routing = config_dir.join("routing.yaml");
    let mut routing_remarks = Vec::new();
    if routing.exists() {
        match Table::load(&routing) {
            Ok((_, told)) => routing_remarks.extend(told.iter().map(ToString::to_string)),
            Err(error) => problems.extend(error.problems),
        }
    }
    let (Ok(settings), Ok(shelf)) = (settings, shelf) else { return Err(problems) };
    problems.extend(across(&settings, &shelf));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Report {
        remarks: remarks(&settings).into_iter().chain(routing_remarks).collect(),
        config_dir,
        default_agent: settings.calls.default_agent,
        languages: shelf.catalogue.books.len(),
        agents: shelf.agents.agents.into_keys().collect(),
    })
}

/// What no file can know alone.
fn across(settings: &Settings, shelf: &Shelf) -> Vec<Problem> {
    let mut problems = Vec::new();
    let file = settings.data.config_dir.join("vaani.toml");
    let known: Vec<&str> = shelf.agents.agents.keys().map(String::as_str).collect();
    let wanted = &settings.calls.default_agent;
    if shelf.agents.get(wanted).is_none() {
        let at = At::outside(&file.display().to_string());
        let message = format!(
            "`calls.default_agent` is {wanted:?}, but agents/ has no such file; write one of {}",
            known.join(", ")
        );
        problems.push(Problem::new(&at, message));
    }
    for agent in shelf.agents.agents.values() {
        let at =
            At::outside(&settings.data.config_dir.join(format!("agents/{}.toml", agent.name)).display().to_string());
        // Fixed lines that the agent's own forbidden words would silence.
        let policy = Policy::new(agent);
        for lang in &agent.languages {
            for (key, line) in shelf.catalogue.book(*lang).iter().flat_map(|book| &book.lines) {
                if let Some(reason) = policy.check(*lang, line).reason {
                    problems.push(Problem::new(
                        &at,
                        format!(
                            "the line `{key}` of {lang} could not be spoken: it {reason}; change the line or the agent"
                        ),
                    ));
                }
            }
        }
        for (key, value) in
            agent.languages.iter().flat_map(|lang| agent.facts.iter().map(|(key, value)| (key, value.get(*lang))))
        {
            if let Some(reason) = policy.check(agent.default_language, value).reason {
                problems
                    .push(Problem::new(&at, format!("the fact {key:?} could not be spoken: it {reason}; change it")));
            }
        }
    }
    problems
}

fn remarks(settings: &Settings) -> Vec<String> {
    let mut remarks = Vec::new();
    if settings.twilio.auth_token.is_none() {
        remarks.push("twilio.auth_token is not set: every call from Twilio is refused".to_owned());
    }
    if settings.exotel.readiness() == ExotelReadiness::Unguarded {
        remarks.push("nothing in [exotel] tells Exotel from others: every request from it is refused".to_owned());
    }
    if settings.http.public_base_url.is_none() {
        remarks
            .push("http.public_base_url is not set: behind a proxy, signatures of carriers will not match".to_owned());
    }
    let engines = &settings.engines;
    for (name, model) in
        [("stt", &engines.stt.engine.model), ("llm", &engines.llm.engine.model), ("tts", &engines.tts.engine.model)]
    {
        let path = settings.model_path(model);
        if !path.exists() {
            remarks.push(format!("engines.{name}.model: {} is not there yet", path.display()));
        }
    }
    remarks
}

#[expect(clippy::print_stdout, reason = "the command line speaks on standard output")]
/// `config` is the directory of the global option; one named here wins.
pub fn run(args: Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let What::Check { dir, json } = args.what;
    match check_dir(dir.as_deref().or(config)) {
        Ok(report) if json => println!("{}", serde_json::to_string(&report)?),
        Ok(report) => {
            println!(
                "{}: fine; agents {} (default {}), {} languages",
                report.config_dir.display(),
                report.agents.join(", "),
                report.default_agent,
                report.languages
            );
            for remark in report.remarks {
                println!("  note: {remark}");
            }
        }
        Err(problems) => {
            if json {
                let rows: Vec<_> = problems
                    .iter()
                    .map(|p| serde_json::json!({"file": &*p.at.file, "line": p.at.line, "message": p.message}))
                    .collect();
                println!("{}", serde_json::json!({ "problems": rows }));
            } else {
                for problem in &problems {
                    eprintln!("{problem}");
                }
            }
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
    }

    fn environment() -> Environment {
        Environment { working: "/".into(), program: "/usr/bin/vaani".into(), ..Environment::default() }
    }

    /// A copy of the shipped configuration with one text replaced in one file.
    fn changed(file: &str, from: &str, to: &str) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a directory");
        for folder in ["", "prompts", "agents"] {
            fs::create_dir_all(dir.path().join(folder)).expect("made");
            for entry in fs::read_dir(shipped().join(folder)).expect("shipped") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    fs::copy(&path, dir.path().join(folder).join(path.file_name().expect("a name"))).expect("copied");
                }
            }
        }
        let path = dir.path().join(file);
        let text = fs::read_to_string(&path).expect("there");
        assert!(text.contains(from), "{file} {from}");
        fs::write(&path, text.replacen(from, to, 1)).expect("written");
        let problems = check_with(Some(dir.path()), &environment()).expect_err("refused");
        let prefix = format!("{}/", dir.path().display());
        problems.iter().map(|p| p.to_string().replace(&prefix, "")).collect()
    }

    #[test]
    fn the_shipped_configuration_is_right() {
        let report = check_with(Some(&shipped()), &environment()).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!((report.agents.len(), report.languages), (4, 11));
        assert!(report.remarks.iter().all(|remark| !remark.contains("engines.")), "{:?}", report.remarks);
    }

    #[test]
    fn faults_across_files_are_found() {
        let cases: &[(&str, &str, &str, &str)] = &[
            (
                "vaani.toml",
                "default_agent = \"helpdesk\"",
                "default_agent = \"nightdesk\"",
                "vaani.toml: `calls.default_agent` is \"nightdesk\", but agents/ has no such file; write one of echo, frontdesk, helpdesk, reminder",
            ),
            ("vaani.toml", "[http]", "[htpp]", "vaani.toml:7: unknown key `htpp`; write `http`"),
            (
                "agents/echo.toml",
                "mode = \"echo\"",
                "mode = \"ecco\"",
                "agents/echo.toml:4: `mode` is \"ecco\"; write one of \"converse\", \"echo\"",
            ),
            ("agents/helpdesk.toml", "states = \"states\"", "states = \"other\"", "other.toml: cannot be read: "),
            (
                "agents/helpdesk.toml",
                "never_say = []",
                "never_say = [\"Have a nice day\"]",
                "agents/helpdesk.toml: the line `goodbye` of en-IN could not be spoken: it says \"Have a nice day\"",
            ),
            (
                "agents/helpdesk.toml",
                "\"₹5,200\"",
                "\"5 or the police comes\"",
                "agents/helpdesk.toml: the fact \"amount due\" could not be spoken: it threatens; change it",
            ),
            ("prompts/hi-IN.toml", "\ngoodbye = ", "\ngoodby = ", "prompts/hi-IN.toml:"),
            ("prompts/en-IN.toml", "Have a nice day.", "Or you will be arrested.", "agents/"),
            ("routing.yaml", "order: local_first", "order: local_frist", "routing.yaml:"),
            ("states.toml", "\"Kerala\"", "\"Kerela\"", "states.toml:"),
        ];
        for (file, from, to, message) in cases {
            let faults = changed(file, from, to);
            assert!(faults[0].starts_with(message), "{faults:?}");
        }
    }

    #[test]
    fn faults_of_several_files_are_told_together() {
        let faults = check_with(Some(Path::new("/no/such/place")), &environment()).expect_err("refused");
        assert_eq!(faults.len(), 1);
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("vaani.toml"), "x = 1\n").expect("written");
        let faults = check_with(Some(dir.path()), &environment()).expect_err("refused");
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert!(texts.len() >= 4, "settings, prompts, agents and states: {texts:?}");
    }
}
