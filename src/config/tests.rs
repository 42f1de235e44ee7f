use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{ConfigError, Environment, LogFormat, Place, Settings};
use crate::base::Lang;

/// A configuration directory with the files given, and an environment without surprises.
struct Owned {
    dir: tempfile::TempDir,
    environment: Environment,
}

fn a_box(files: &[(&str, &str)]) -> Owned {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    let environment =
        Environment { working: dir.path().to_owned(), program: "/usr/bin/vaani".into(), ..Environment::default() };
    Owned { dir, environment }
}

impl Owned {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn load(&self) -> Result<Settings, ConfigError> {
        Settings::load_from(Some(self.dir.path()), &self.environment)
    }

    /// The faults, without the directory's name.
    fn faults(&self) -> Vec<String> {
        let error = self.load().expect_err("refused");
        let prefix = format!("{}/", self.dir.path().display());
        error.problems.iter().map(|p| p.to_string().replace(&prefix, "")).collect()
    }
}

#[test]
fn without_any_file_the_defaults_of_an_installed_box_hold() {
    let settings = a_box(&[]).load().expect("accepted");
    assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.state.dir, Path::new("/var/lib/vaani"));
    assert_eq!(settings.data.models_dir, Path::new("/usr/share/vaani/models"));
    assert_eq!(settings.calls.default_agent, "helpdesk");
    assert!(settings.twilio.auth_token.is_none() && settings.twilio.require_stream_signature);
    assert!(!settings.privacy.transcripts);
    assert_eq!(
        settings.model_path(&settings.engines.stt.engine.model),
        Path::new("/usr/share/vaani/models/starter/stt/vaani-starter-stt.bin")
    );
}

#[test]
fn the_shipped_file_is_accepted_and_says_the_defaults() {
    let text = include_str!("../../config/vaani.toml");
    let shipped = a_box(&[("vaani.toml", text)]).load().expect("accepted");
    let default = a_box(&[]).load().expect("accepted");
    let said = |settings: &Settings| {
        let without_dir =
            Settings { data: super::Data { config_dir: "x".into(), ..settings.data.clone() }, ..settings.clone() };
        format!("{without_dir:?}")
    };
    assert_eq!(said(&shipped), said(&default));
    // What is commented out must be right as well, once the comment sign is gone.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    a_box(&[("vaani.toml", &uncommented)]).load().expect("accepted");
}

#[test]
fn later_layers_win_and_merge() {
    let settings = a_box(&[
        ("vaani.toml", "[http]\nlisten = \"0.0.0.0:1\"\npublic_base_url = \"https://a.in/\"\n[calls]\nmax_calls = 5\n"),
        ("vaani.d/20-b.toml", "[calls]\nmax_calls = 7\n"),
        ("vaani.d/10-a.toml", "[calls]\nmax_calls = 6\ndrain_seconds = 9\n"),
        ("vaani.d/ignored.txt", "nonsense ="),
    ])
    .with("WEBHOOK_BASE_URL", "https://seed.in")
    .with("VAANI_HTTP__LISTEN", "127.0.0.1:0")
    .with("VAANI_PRIVACY__TRANSCRIPTS", "true")
    .with("VAANI_ENGINES__TTS__VOICES__HI_IN", "espeak:hi+m3")
    .with("VAANI_LOG__FORMAT", "json")
    .with("VAANI_WORKER", "somebody else's")
    .load()
    .expect("accepted");
    assert_eq!(settings.http.listen.port(), 0);
    assert_eq!(settings.http.public_base_url.as_deref(), Some("https://seed.in"));
    assert_eq!((settings.calls.max_calls, settings.calls.drain), (7, Duration::from_secs(9)));
    assert!(settings.privacy.transcripts);
    assert_eq!(settings.engines.tts.voices[&Lang::Hi], "espeak:hi+m3");
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn secrets_come_from_credentials_then_variables_then_files() {
    let file = ("vaani.toml", "[twilio]\nauth_token = \"from-the-file\"\n");
    let token = |it: &Owned| it.load().expect("accepted").twilio.auth_token.expect("a token").expose().to_owned();
    assert_eq!(token(&a_box(&[file])), "from-the-file");
    assert_eq!(token(&a_box(&[file]).with("TWILIO_AUTH_TOKEN", "from-the-seed")), "from-the-seed");
    let both = a_box(&[file, ("cred/twilio_auth_token", "from-credentials\n")])
        .with("TWILIO_AUTH_TOKEN", "from-the-seed")
        .with("VAANI_TWILIO__AUTH_TOKEN", "from-variable");
    assert_eq!(token(&both), "from-variable");
    let dir = both.dir.path().join("cred").display().to_string();
    assert_eq!(token(&both.with("CREDENTIALS_DIRECTORY", &dir)), "from-credentials");
}

#[test]
fn a_source_tree_is_found_and_an_installed_box_never_looks_for_one() {
    let tree = a_box(&[("Cargo.toml", ""), ("config/vaani.toml", ""), ("src/x.rs", "")]);
    let root = tree.dir.path();
    let program = Path::new("/build/debug/deps/vaani-123");
    let found = Place::find(None, &root.join("src"), program);
    assert_eq!(found, Place::checkout(root, Path::new("/build/debug")));
    assert_eq!(Place::find(Some(&root.join("config")), Path::new("/"), program), found);
    assert_eq!(Place::find(None, root, Path::new("/usr/bin/vaani")), Place::installed());
    let elsewhere = Place::find(Some(Path::new("/srv/box")), root, program);
    assert_eq!(elsewhere, Place { config_dir: "/srv/box".into(), ..Place::installed() });
}

#[test]
fn relative_directories_are_meant_from_the_configuration() {
    let it = a_box(&[("vaani.toml", "[state]\ndir = \"var\"\n[data]\nmodels_dir = \"/m\"\n")]);
    let settings = it.load().expect("accepted");
    assert_eq!(settings.state.dir, it.dir.path().join("var"));
    assert_eq!(settings.data.models_dir, Path::new("/m"));
}

#[test]
fn every_kind_of_fault_gives_one_clear_message() {
    let cases: &[(&str, &str)] = &[
        ("[http\n", "vaani.toml:1: is not valid TOML: "),
        ("[http]\nlisten = 1\nlisten = 2\n", "vaani.toml:3: is not valid TOML: duplicate key"),
        ("[htpp]\nlisten = \"1.2.3.4:5\"\n", "vaani.toml:1: unknown key `htpp`; write `http`"),
        (
            "x = 1\n",
            "vaani.toml:1: unknown key `x`; known here are: alerts, api, asterisk, auth, backup, calls, data, engines, exotel, freeswitch, http, local, log, objects, privacy, recording, retention, state, telemetry, tls, twilio, webhooks, webrtc",
        ),
        ("\n[http]\n\nlisen = \"1.2.3.4:5\"\n", "vaani.toml:4: unknown key `http.lisen`; write `http.listen`"),
        ("http = 3\n", "vaani.toml:1: `http` is a whole number; it is a section, write `[http]` and its keys"),
        ("[http]\nlisten = 8080\n", "vaani.toml:2: `http.listen` is a whole number; write a text in quotes"),
        (
            "[http]\nlisten = \"localhost\"\n",
            "vaani.toml:2: `http.listen` is \"localhost\"; write an address and a port such as \"127.0.0.1:8080\"",
        ),
        (
            "[http]\npublic_base_url = \"box.example.in\"\n",
            "vaani.toml:2: `http.public_base_url` is \"box.example.in\", which is no URL; write for example \"https://box.example.in\"",
        ),
        (
            "[http]\npublic_base_url = \"wss://b.in\"\n",
            "vaani.toml:2: `http.public_base_url` is \"wss://b.in\", which is neither http nor https; write for example \"https://box.example.in\"",
        ),
        (
            "[http]\npublic_base_url = \"https://b.in/?a=1\"\n",
            "vaani.toml:2: `http.public_base_url` is \"https://b.in/?a=1\", which has a query or a fragment; write for example \"https://box.example.in\"",
        ),
        (
            "[http]\npublic_base_url = \"https://me:pw@b.in\"\n",
            "vaani.toml:2: `http.public_base_url` is \"https://me:pw@b.in\", which holds a password; write for example \"https://box.example.in\"",
        ),
        (
            "[twilio]\naccount_sid = \"SK12\"\n",
            "vaani.toml:2: `twilio.account_sid` is \"SK12\"; write the SID of the console, which starts with AC",
        ),
        (
            "[twilio]\nauth_token = \"short\"\n",
            "vaani.toml:2: `twilio.auth_token` is no usable secret; write at least 8 characters without spaces",
        ),
        (
            "[twilio]\nprevious_auth_token = \"0123456789\"\n",
            "vaani.toml:2: `twilio.previous_auth_token` stands alone; write `twilio.auth_token` too, or remove it",
        ),
        (
            "[twilio]\nrequire_stream_signature = \"no\"\n",
            "vaani.toml:2: `twilio.require_stream_signature` is a text; write true or false",
        ),
        (
            "[exotel]\nuser = \"exotel\"\n",
            "vaani.toml:1: `exotel.user` and `exotel.password` belong together; write both, or neither",
        ),
        (
            "[exotel]\npath_secret = \"0123456789abcdef/\"\n",
            "vaani.toml:2: `exotel.path_secret` stands in addresses; write letters, digits, - and _ only",
        ),
        (
            "[exotel]\nallow_from = [\"10.0.0.0/40\"]\n",
            "vaani.toml:2: `exotel.allow_from`: \"10.0.0.0/40\" is no network",
        ),
        ("[exotel]\nsample_rate = 44100\n", "vaani.toml:2: `exotel.sample_rate` is 44100; write 8000, 16000 or 24000"),
        ("[exotel]\nchunk_bytes = 3300\n", "vaani.toml:2: `exotel.chunk_bytes` is 3300; write a multiple of 320"),
        ("[exotel]\napi_url = \"http://x.in\"\n", "vaani.toml:2: `exotel.api_url` must begin with https://"),
        ("[exotel]\nexophone = \"x\"\n", "vaani.toml:2: `exotel.exophone` is no phone number"),
        (
            "[api]\ntoken = \"too short\"\n",
            "vaani.toml:2: `api.token` is no usable secret; write at least 16 characters without spaces",
        ),
        (
            "[state]\ndir = \"\"\n",
            "vaani.toml:2: `state.dir` is empty; write a directory such as \"/var/lib/vaani\", or remove the line",
        ),
        ("[engines.sst]\n", "vaani.toml:1: unknown key `engines.sst`; write `engines.stt`"),
        ("[engines.stt]\nworkers = 0\n", "vaani.toml:2: `engines.stt.workers` is 0; write a number from 1 to 64"),
        (
            "[engines.stt]\nmodel = \"\"\n",
            "vaani.toml:2: `engines.stt.model` is empty; write a file under the models directory such as \"starter/stt/vaani-starter-stt.bin\"",
        ),
        ("[engines.llm]\nthreads = -1\n", "vaani.toml:2: `engines.llm.threads` is -1; write a number from 0 to 1024"),
        (
            "[engines.llm]\ncontext = 2.5\n",
            "vaani.toml:2: `engines.llm.context` is a number; write a whole number without quotes",
        ),
        (
            "[engines.tts]\nmemory_mb = 10\n",
            "vaani.toml:2: `engines.tts.memory_mb` is 10; write 0 for no limit or at least 64",
        ),
        (
            "[engines.tts.voices]\nfr = \"piper\"\n",
            "vaani.toml:2: `engines.tts.voices.fr`: unknown language \"fr\"; the box speaks",
        ),
        (
            "[engines.tts.voices]\nta = \"my voice\"\n",
            "vaani.toml:2: `engines.tts.voices.ta` is \"my voice\"; write \"piper\", \"espeak\"",
        ),
        (
            "[calls]\ndefault_agent = \"../x\"\n",
            "vaani.toml:2: `calls.default_agent` is \"../x\"; write the name of a file in agents/",
        ),
        ("[calls]\nmax_calls = 1000000\n", "vaani.toml:2: `calls.max_calls` is 1000000; write a number from 1 to 2000"),
        (
            "[calls]\nmax_seconds = 60\ninactivity_seconds = 90\n",
            "vaani.toml:3: `calls.inactivity_seconds` (90) is longer than `calls.max_seconds` (60); write a smaller number",
        ),
        (
            "[asterisk]\ntoken = \"short\"\n",
            "vaani.toml:2: `asterisk.token` is no usable secret; write at least 12 characters without spaces",
        ),
        ("[asterisk]\nnetworks = [\"10.1.2.3/8\"]\n", "vaani.toml:2: `asterisk.networks` entry 1 is wrong: "),
        (
            "[asterisk]\naudiosocket_anonymous = true\n",
            "vaani.toml:2: `asterisk.audiosocket_anonymous` needs `asterisk.networks`, for example",
        ),
        (
            "[asterisk.ari]\nurl = \"https://10.0.0.7\"\n",
            "vaani.toml:2: `asterisk.ari.url` is \"https://10.0.0.7\"; write where Asterisk's HTTP server is",
        ),
        (
            "[asterisk]\ntoken = \"twelve-signs-x\"\n[asterisk.ari]\nurl = \"http://10.0.0.7:8088\"\npassword = \"secret-enough\"\nendpoint = \"PJSIP/{number}@t\"\n",
            "vaani.toml:4: `asterisk.ari.url` stands alone; write `asterisk.ari.user` too",
        ),
        (
            "[asterisk]\ntoken = \"twelve-signs-x\"\n[asterisk.ari]\nendpoint = \"PJSIP/9@t\"\n",
            "vaani.toml:4: `asterisk.ari.endpoint` is \"PJSIP/9@t\"; write for example \"PJSIP/{number}@trunk\"",
        ),
        (
            "[asterisk.ari]\nurl = \"http://10.0.0.7:8088\"\nuser = \"v\"\npassword = \"secret-enough\"\nendpoint = \"PJSIP/{number}@t\"\n",
            "vaani.toml:1: `asterisk.ari` needs `asterisk.networks` or `asterisk.token`",
        ),
        (
            "[freeswitch]\nevent_socket = \"10.0.0.8\"\n",
            "vaani.toml:2: `freeswitch.event_socket` is \"10.0.0.8\"; write a host and a port such as \"10.0.0.7:8021\"",
        ),
        (
            "[freeswitch]\nevent_socket = \"10.0.0.8:8021\"\n",
            "vaani.toml:2: `freeswitch.event_socket` stands alone; write `freeswitch.password` too",
        ),
        (
            "[freeswitch]\noutbound_listen = \"10.0.0.5:8084\"\n",
            "vaani.toml:2: `freeswitch.outbound_listen` needs `freeswitch.networks` or `freeswitch.token`",
        ),
        ("[freeswitch]\nrate = 11025\n", "vaani.toml:2: `freeswitch.rate` is 11025; write 8000 or 16000"),
        (
            "[freeswitch]\nmedia_url = \"10.0.0.5\"\n",
            "vaani.toml:2: `freeswitch.media_url` is \"10.0.0.5\"; write for example \"ws://10.0.0.5:8080\"",
        ),
        (
            "[freeswitch]\ndial = \"sofia/gateway/gw/1\"\n",
            "vaani.toml:2: `freeswitch.dial` is \"sofia/gateway/gw/1\"; write for example \"sofia/gateway/gw/{number}\"",
        ),
        (
            "[freeswitch]\ndial = \"sofia/gateway/gw/{number}\"\n",
            "vaani.toml:2: `freeswitch.dial` needs `freeswitch.event_socket`",
        ),
        (
            "[freeswitch]\ndial_extension = \"user/1 &park\"\n",
            "vaani.toml:2: `freeswitch.dial_extension` is \"user/1 &park\"; write for example \"user/{extension}\"",
        ),
        ("[freeswitch]\ncaller_id = \"12\"\n", "vaani.toml:2: `freeswitch.caller_id`: the phone number is too short"),
        (
            "[log]\nformat = \"xml\"\n",
            "vaani.toml:2: `log.format` is \"xml\"; write one of \"auto\", \"text\", \"json\"",
        ),
        ("[log]\nlevel = \"loud\"\n", "vaani.toml:2: `log.level` is \"loud\"; write error, warn, info, debug or trace"),
        (
            "[[http]]\nlisten = \"1.2.3.4:5\"\n",
            "vaani.toml:1: `http` is a list; it is a section, write `[http]` and its keys",
        ),
        ("[privacy]\ntranscripts = 1979-05-27\n", "vaani.toml:2: `privacy.transcripts` is a date; write true or false"),
    ];
    for (text, message) in cases {
        let faults = a_box(&[("vaani.toml", text)]).faults();
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert!(faults[0].starts_with(message), "{text}: {faults:?}");
        assert!(!faults[0].contains('\n'), "one line");
    }
}

#[test]
fn faults_outside_the_files_name_the_variable_or_the_credential() {
    let faults = a_box(&[]).with("VAANI_HTTP__LISEN", "1.2.3.4:5").faults();
    assert_eq!(faults, ["VAANI_HTTP__LISEN: unknown key `http.lisen`; write `http.listen`"]);
    let faults = a_box(&[]).with("VAANI_CALLS__MAX_CALLS", "many").faults();
    assert_eq!(faults, ["VAANI_CALLS__MAX_CALLS: `calls.max_calls` is \"many\"; write a whole number"]);
    let it = a_box(&[("cred/api_token", "short")]);
    let dir = it.dir.path().join("cred").display().to_string();
    let faults = it.with("CREDENTIALS_DIRECTORY", &dir).faults();
    assert_eq!(
        faults,
        ["cred/api_token: `api.token` is no usable secret; write at least 16 characters without spaces"]
    );
    assert!(!faults[0].contains("\"short\""), "the secret itself is not shown");
}

#[test]
fn everything_wrong_is_told_at_once_and_unreadable_files_are_named() {
    let it = a_box(&[("vaani.toml", "[http]\nlisten = 1\n[calls]\nmax_calls = 0\n"), ("vaani.d/a.toml", "x\n")]);
    assert_eq!(it.faults().len(), 3);
    let it = a_box(&[]);
    fs::write(it.dir.path().join("vaani.toml"), [0xff, 0xfe, 0x00]).expect("written");
    assert_eq!(it.faults(), ["vaani.toml:1: the file is not UTF-8; save it as UTF-8"]);
    let missing = Settings::load_from(Some(Path::new("/no/such/place")), &Environment::default());
    assert_eq!(
        missing.expect_err("refused").to_string(),
        "/no/such/place: is no directory; name the directory that holds vaani.toml"
    );
}
