//! The layers, lowest first: built-in defaults, `vaani.toml`, `vaani.d/*.toml` by name, the seeds'
//! variable names, `VAANI_*`, systemd's credentials.

use std::path::{Path, PathBuf};

use super::problem::{ConfigError, Problem};
use super::schema::Settings;
use super::tree::{At, Node, Value, read_file};

/// Where things lie when nobody says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub config_dir: PathBuf,
    pub state_dir: PathBuf,
    pub models_dir: PathBuf,
    pub lib_dir: PathBuf,
    pub engines_dir: PathBuf,
}

impl Place {
    /// A box set up from packages or from the image.
    pub fn installed() -> Self {
        Self {
            config_dir: "/etc/vaani".into(),
            state_dir: "/var/lib/vaani".into(),
            models_dir: "/usr/share/vaani/models".into(),
            lib_dir: "/usr/lib/vaani".into(),
            engines_dir: "/usr/lib/vaani".into(),
        }
    }

    /// The source tree at `root`, with programs built into `programs` and what the engines read at
    /// run time beside them (`scripts/engine-data`).
    pub fn checkout(root: &Path, programs: &Path) -> Self {
        Self {
            config_dir: root.join("config"),
            state_dir: root.join("target/state"),
            models_dir: root.join("models"),
            lib_dir: programs.parent().unwrap_or(programs).join("vaani-runtime"),
            engines_dir: programs.to_owned(),
        }
    }

    /// `dir` is the configuration's directory if the user named one. A source tree is recognised by
    /// `Cargo.toml` beside `config/`: the parent of `dir`, else the working directory, else the
    /// program's place, or what lies above them. An installed program never looks for one.
    pub fn find(dir: Option<&Path>, working: &Path, program: &Path) -> Self {
        let programs = programs_of(program);
        let root = match dir {
            Some(dir) => dir.parent().filter(|root| is_checkout(root)),
            None if program.starts_with("/usr") || program.starts_with("/opt") => None,
            None => working.ancestors().chain(program.ancestors()).find(|root| is_checkout(root)),
        };
        let place = root.map_or_else(Self::installed, |root| Self::checkout(root, &programs));
        match dir {
            Some(dir) => Self { config_dir: dir.to_owned(), ..place },
            None => place,
        }
    }
}

fn is_checkout(root: &Path) -> bool {
    root.join("Cargo.toml").is_file() && root.join("config/vaani.toml").is_file()
}

/// Test programs lie one level below the workers.
fn programs_of(program: &Path) -> PathBuf {
    let dir = program.parent().unwrap_or(Path::new("/"));
    match dir.file_name() {
        Some(name) if name == "deps" => dir.parent().unwrap_or(dir).to_owned(),
        _ => dir.to_owned(),
    }
}

/// What the process was started with, handed in so that tests can make their own.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub variables: Vec<(String, String)>,
    pub working: PathBuf,
    pub program: PathBuf,
}

impl Environment {
    pub fn of_process() -> Self {
        Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            working: std::env::current_dir().unwrap_or_default(),
            program: std::env::current_exe().unwrap_or_default(),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }
}

/// The documents' names for settings that live in sections here.
const SEED_NAMES: [(&str, &str); 11] = [
    ("TWILIO_ACCOUNT_SID", "twilio.account_sid"),
    ("TWILIO_AUTH_TOKEN", "twilio.auth_token"),
    ("EXOTEL_SID", "exotel.account_sid"),
    ("EXOTEL_API_KEY", "exotel.api_key"),
    ("EXOTEL_TOKEN", "exotel.api_token"),
    ("EXOTEL_API_TOKEN", "exotel.api_token"),
    ("EXOTEL_SUBDOMAIN", "exotel.subdomain"),
    ("EXOTEL_PHONE_NUMBER", "exotel.exophone"),
    ("EXOTEL_VIRTUAL_NUMBER", "exotel.exophone"),
    ("WEBHOOK_BASE_URL", "http.public_base_url"),
    ("LOG_LEVEL", "log.level"),
];

/// Files systemd may hand over (`LoadCredential=twilio_auth_token:…`).
const CREDENTIALS: [(&str, &str); 13] = [
    ("twilio_auth_token", "twilio.auth_token"),
    ("twilio_previous_auth_token", "twilio.previous_auth_token"),
    ("exotel_password", "exotel.password"),
    ("exotel_path_secret", "exotel.path_secret"),
    ("exotel_api_token", "exotel.api_token"),
    ("asterisk_token", "asterisk.token"),
    ("asterisk_ari_password", "asterisk.ari.password"),
    ("freeswitch_token", "freeswitch.token"),
    ("freeswitch_password", "freeswitch.password"),
    ("api_token", "api.token"),
    ("objects_s3_secret_key", "objects.s3.secret_access_key"),
    ("backup_s3_secret_key", "backup.s3.secret_access_key"),
    ("oidc_client_secret", "auth.oidc.client_secret"),
];

impl Settings {
    /// The settings in force for this process. `dir` is the configuration's directory if one was
    /// named (`--config`, or else the variable `VAANI_CONFIG`).
    pub fn load(dir: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_from(dir, &Environment::of_process())
    }

    pub fn load_from(dir: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let named = dir.map(Path::to_owned).or_else(|| environment.get("VAANI_CONFIG").map(PathBuf::from));
        let named = named.map(|dir| environment.working.join(dir));
        let place = Place::find(named.as_deref(), &environment.working, &environment.program);
        let mut problems = Vec::new();
        let mut root = Value::Table(Vec::new());
        for file in files(&place, named.is_some(), &mut problems) {
            match read_file(&file) {
                Ok(layer) => lay_over(&mut root, layer.value),
                Err(problem) => problems.push(problem),
            }
        }
        for (at, key, value) in outside(environment, &mut problems) {
            lay_over(&mut root, nested(&at, &key, value));
        }
        let at = At::whole(&place.config_dir.join("vaani.toml").display().to_string());
        let settings = Self::read(Node { at, value: root }, &place, &mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(problems.into()) }
    }
}

fn files(place: &Place, named: bool, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let main = place.config_dir.join("vaani.toml");
    if named && !place.config_dir.is_dir() {
        let at = At::outside(&place.config_dir.display().to_string());
        problems.push(Problem::new(&at, "is no directory; name the directory that holds vaani.toml"));
        return Vec::new();
    }
    let mut files = Vec::new();
    // Without vaani.toml the built-in defaults hold.
    if main.exists() {
        files.push(main);
    }
    if let Ok(entries) = std::fs::read_dir(place.config_dir.join("vaani.d")) {
        let mut more: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
            .collect();
        more.sort();
        files.extend(more);
    }
    files
}

/// Settings from outside the files, lowest first.
fn outside(environment: &Environment, problems: &mut Vec<Problem>) -> Vec<(At, String, String)> {
    let mut found = Vec::new();
    for (name, key) in SEED_NAMES {
        if let Some(value) = environment.get(name) {
            found.push((At::outside(name), key.to_owned(), value.to_owned()));
        }
    }
    for (name, value) in &environment.variables {
        let Some(key) = name.strip_prefix("VAANI_") else { continue };
        // Without a double underscore it names no setting: it is somebody else's variable.
        if key.contains("__") && !value.is_empty() {
            found.push((At::outside(name), key.to_ascii_lowercase().replace("__", "."), value.clone()));
        }
    }
    if let Some(dir) = environment.get("CREDENTIALS_DIRECTORY") {
        for (name, key) in CREDENTIALS {
            let path = Path::new(dir).join(name);
            let at = At::outside(&path.display().to_string());
            match std::fs::read_to_string(&path) {
                Ok(value) => found.push((at, key.to_owned(), value.trim_end().to_owned())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => problems.push(Problem::new(&at, format!("the credential cannot be read: {error}"))),
            }
        }
    }
    found
}

/// `a.b.c` and a value as tables within tables.
fn nested(at: &At, key: &str, value: String) -> Value {
    key.rsplit('.').fold(Value::Text(value), |inner, part| {
        Value::Table(vec![(part.to_owned(), Node { at: at.clone(), value: inner })])
    })
}

/// Entries of `upper` win; sections are merged.
fn lay_over(lower: &mut Value, upper: Value) {
    match (lower, upper) {
        (Value::Table(below), Value::Table(above)) => {
            for (key, node) in above {
                match below.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, known)) => {
                        // A section keeps the place of its first line; a value takes the new one.
                        if !matches!((&known.value, &node.value), (Value::Table(_), Value::Table(_))) {
                            known.at = node.at;
                        }
                        lay_over(&mut known.value, node.value);
                    }
                    None => below.push((key, node)),
                }
            }
        }
        (lower, upper) => *lower = upper,
    }
}
