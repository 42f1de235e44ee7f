//! Every setting with its default and its bounds. Reading is the schema: a key that is not read
//! here is refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::auth::Auth;
use super::exotel::Exotel;
use super::keep::{Backup, Objects};
use super::load::Place;
use super::local::Local;
use super::pbx::{Asterisk, Freeswitch};
use super::recording::Recording;
use super::retention::Retention;
use super::roots::Roots;
use super::tree::{At, Fields, FromNode, Node};
use super::watching::{Alerts, Telemetry};
use super::webrtc::Webrtc;
use crate::base::Lang;
use crate::base::limits::{CALL_MAX, CALLS_MAX, DRAIN_MAX, INACTIVITY_MAX, WEBHOOK_PARALLEL, WEBHOOK_PARALLEL_MAX};
use crate::base::network::{Network, NotANetwork};
use crate::base::phone::Phone;
use crate::base::secret::Secret;

#[derive(Clone, Debug)]
pub struct Settings {
    pub http: Http,
    pub twilio: Twilio,
    pub exotel: Exotel,
    pub asterisk: Asterisk,
    pub freeswitch: Freeswitch,
    pub webrtc: Webrtc,
    pub local: Local,
    pub api: Api,
    pub auth: Auth,
    pub state: State,
    pub data: Data,
    pub engines: Engines,
    pub calls: Calls,
    pub privacy: Privacy,
    pub recording: Recording,
    pub retention: Retention,
    pub webhooks: Webhooks,
    pub backup: Backup,
    pub objects: Objects,
    pub log: Log,
    pub alerts: Alerts,
    pub telemetry: Telemetry,
}

#[derive(Clone, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    /// What carriers call, without a slash at the end: `https://box.example.in`. `None`: the
    /// address listened on, which only callers on this machine can use.
    pub public_base_url: Option<String>,
    /// Where the daemon listens for HTTPS with a certificate of its own. `None`: not written.
    pub tls_listen: Option<SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct Twilio {
    pub account_sid: Option<String>,
    /// `None`: every webhook is refused.
    pub auth_token: Option<Secret>,
    /// Still accepted while the token is being changed.
    pub previous_auth_token: Option<Secret>,
    /// The media stream's WebSocket request must be signed too.
    pub require_stream_signature: bool,
    /// A number of the account, to place calls from.
    pub caller_id: Option<Phone>,
    /// Where the REST API is, if not at Twilio's usual place (a region of theirs, a test).
    pub api_url: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Api {
    /// `None`: one is made at first start and kept in the state directory.
    pub token: Option<Secret>,
}

#[derive(Clone, Debug)]
pub struct State {
    pub dir: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Data {
    /// Holds `agents/`, `prompts/`, `states.toml`.
    pub config_dir: PathBuf,
    pub models_dir: PathBuf,
    /// Shared libraries and data of the engines (ONNX Runtime, espeak-ng).
    pub lib_dir: PathBuf,
    /// The engine workers' programs.
    pub engines_dir: PathBuf,
}

#[derive(Clone, Debug)]
pub struct Engines {
    pub stt: SttEngine,
    pub llm: LlmEngine,
    pub tts: TtsEngine,
}

/// What every kind of worker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// File under the models directory, or an absolute path.
    pub model: String,
    /// Processes.
    pub workers: u32,
    /// Requests one worker serves at the same time.
    pub slots: u32,
    /// Threads of one worker (recognition: of one request); 0: what the machine suggests.
    pub threads: u32,
    /// Private memory of one worker; 0: no limit.
    pub memory_mb: u32,
    pub nice: u32,
}

#[derive(Clone, Debug)]
pub struct SttEngine {
    pub engine: Engine,
}

#[derive(Clone, Debug)]
pub struct LlmEngine {
    pub engine: Engine,
    /// Tokens one conversation may hold.
    pub context: u32,
}

#[derive(Clone, Debug)]
pub struct TtsEngine {
    pub engine: Engine,
    /// `piper`, `espeak`, `espeak:hi+m3` or the id of a loaded Piper voice. A language without an
    /// entry: the worker's choice.
    pub voices: BTreeMap<Lang, String>,
}

#[derive(Clone, Debug)]
pub struct Calls {
    pub default_agent: String,
    pub max_calls: usize,
    /// A caller who cannot be taken hears a line and may ask for a call back; else a busy tone.
    pub busy_line: bool,
    pub max_duration: Duration,
    pub inactivity: Duration,
    /// How long live calls may go on after SIGTERM.
    pub drain: Duration,
}

#[derive(Clone, Debug)]
pub struct Privacy {
    /// Keep what was said, word for word.
    pub transcripts: bool,
}

/// How others are told of what happens.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Networks of the box's own surroundings that webhooks may reach.
    pub allow_private: Vec<Network>,
    pub allow_http: bool,
    /// What failed for so long becomes a dead letter.
    pub give_up_hours: u32,
    /// Attempts of one tenant at once.
    pub parallel: u32,
    /// Delivered webhooks and dead letters are kept, to be looked at and replayed.
    pub keep_days: u32,
    /// Trusted besides the usual authorities.
    pub roots: Roots,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal under systemd, text on a terminal, else JSON.
    Auto,
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// `info`, `debug`, or a filter such as `info,vaani::call=debug`.
    pub level: String,
}

impl Settings {
    /// Where a model's file lies.
    pub fn model_path(&self, model: &str) -> PathBuf {
        self.data.models_dir.join(model)
    }

    pub(super) fn read(root: Node, place: &Place, problems: &mut Vec<super::Problem>) -> Self {
        let mut fields = Fields::new(root, problems);
        let http = Http::read(fields.section("http"));
        let https = http.public_base_url.as_ref().is_some_and(|url| url.starts_with("https:"));
        let roots = Roots::read(fields.section("tls"), place);
        let mut settings = Self {
            http,
            twilio: Twilio::read(fields.section("twilio")),
            exotel: Exotel::read(fields.section("exotel")),
            asterisk: Asterisk::read(fields.section("asterisk")),
            freeswitch: Freeswitch::read(fields.section("freeswitch")),
            webrtc: Webrtc::read(fields.section("webrtc")),
            local: Local::read(fields.section("local")),
            api: Api::read(fields.section("api")),
            auth: Auth::read(fields.section("auth"), https),
            state: State::read(fields.section("state"), place),
            data: Data::read(fields.section("data"), place),
            engines: Engines::read(fields.section("engines")),
            calls: Calls::read(fields.section("calls")),
            privacy: Privacy::read(fields.section("privacy")),
            recording: Recording::read(fields.section("recording")),
            retention: Retention::read(fields.section("retention")),
            webhooks: Webhooks::read(fields.section("webhooks"), &roots),
            backup: Backup::read(fields.section("backup"), place, &roots),
            objects: Objects::read(fields.section("objects"), place, &roots),
            log: Log::read(fields.section("log")),
            alerts: Alerts::read(fields.section("alerts")),
            telemetry: Telemetry::read(fields.section("telemetry")),
        };
        fields.finish();
        // Browsers give a page its microphone over HTTPS only.
        if settings.webrtc.enabled && settings.http.tls_listen.is_none() {
            settings.http.tls_listen = Some(SocketAddr::from(([0, 0, 0, 0], 8443)));
        }
        settings
    }
}

impl Http {
    fn read(mut fields: Fields<'_>) -> Self {
        let default = SocketAddr::from(([127, 0, 0, 1], 8080));
        let listen = fields
            .parsed("listen", "an address and a port such as \"127.0.0.1:8080\"")
            .map_or(default, |(value, _)| value);
        let public_base_url = fields.optional::<String>("public_base_url").and_then(|(text, at)| {
            let wanted = text.trim().trim_end_matches('/');
            if wanted.is_empty() {
                return None;
            }
            if let Err(fault) = super::validate::base_url(wanted) {
                fields.refuse(
                    &at,
                    format!(
                        "`http.public_base_url` is {text:?}, {fault}; write for example \"https://box.example.in\""
                    ),
                );
            }
            Some(wanted.to_owned())
        });
        let tls_listen =
            fields.parsed("tls_listen", "an address and a port such as \"0.0.0.0:8443\"").map(|(value, _)| value);
        fields.finish();
        Self { listen, public_base_url, tls_listen }
    }
}

/// A secret that is empty counts as absent; its value never enters a message.
pub(super) fn secret(fields: &mut Fields<'_>, key: &str, least: usize) -> Option<(Secret, At)> {
    let (text, at) = fields.optional::<String>(key)?;
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.len() < least || text.contains(char::is_whitespace) {
        let name = fields.name(key);
        fields.refuse(&at, format!("`{name}` is no usable secret; write at least {least} characters without spaces"));
    }
    Some((Secret::new(text), at))
}

impl Twilio {
    fn read(mut fields: Fields<'_>) -> Self {
        let account_sid = fields.optional::<String>("account_sid").and_then(|(text, at)| {
            let sid = text.trim();
            if sid.is_empty() {
                return None;
            }
            if !sid.starts_with("AC") || !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
                fields.refuse(
                    &at,
                    format!("`twilio.account_sid` is {text:?}; write the SID of the console, which starts with AC"),
                );
            }
            Some(sid.to_owned())
        });
        let auth_token = secret(&mut fields, "auth_token", 8);
        let previous = secret(&mut fields, "previous_auth_token", 8);
        if let (None, Some((_, at))) = (&auth_token, &previous) {
            fields.refuse(at, "`twilio.previous_auth_token` stands alone; write `twilio.auth_token` too, or remove it");
        }
        let require_stream_signature = fields.or("require_stream_signature", true);
        let caller_id = fields.optional::<String>("caller_id").filter(|(text, _)| !text.trim().is_empty());
        let caller_id = caller_id.and_then(|(text, at)| {
            let phone = text.parse().ok();
            if phone.is_none() {
                fields
                    .refuse(&at, "`twilio.caller_id` is no phone number; write + and the country code: +914440001234");
            }
            phone
        });
        let api_url = fields.optional::<String>("api_url").filter(|(text, _)| !text.trim().is_empty());
        let api_url = api_url.map(|(text, at)| {
            let plain = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            if !text.starts_with("https://") && !plain.iter().any(|start| text.starts_with(start)) {
                fields.refuse(
                    &at,
                    "`twilio.api_url` must begin with https://; calls are ordered with the account's secret",
                );
            }
            text.trim().to_owned()
        });
        fields.finish();
        Self {
            caller_id,
            api_url,
            account_sid,
            auth_token: auth_token.map(|(token, _)| token),
            previous_auth_token: previous.map(|(token, _)| token),
            require_stream_signature,
        }
    }
}

impl Api {
    fn read(mut fields: Fields<'_>) -> Self {
        let token = secret(&mut fields, "token", 16).map(|(token, _)| token);
        fields.finish();
        Self { token }
    }
}

/// Relative paths are meant from the configuration's directory.
fn directory(fields: &mut Fields<'_>, key: &str, default: &std::path::Path, place: &Place) -> PathBuf {
    match fields.optional::<String>(key) {
        None => default.to_owned(),
        Some((text, at)) if text.trim().is_empty() || text.contains('\0') => {
            let name = fields.name(key);
            fields
                .refuse(&at, format!("`{name}` is empty; write a directory such as {:?}, or remove the line", default));
            default.to_owned()
        }
        Some((text, _)) => place.config_dir.join(text),
    }
}

impl State {
    fn read(mut fields: Fields<'_>, place: &Place) -> Self {
        let dir = directory(&mut fields, "dir", &place.state_dir, place);
        fields.finish();
        Self { dir }
    }
}

impl Data {
    fn read(mut fields: Fields<'_>, place: &Place) -> Self {
        let data = Self {
            config_dir: directory(&mut fields, "config_dir", &place.config_dir, place),
            models_dir: directory(&mut fields, "models_dir", &place.models_dir, place),
            lib_dir: directory(&mut fields, "lib_dir", &place.lib_dir, place),
            engines_dir: directory(&mut fields, "engines_dir", &place.engines_dir, place),
        };
        fields.finish();
        data
    }
}

impl Engine {
    fn read(fields: &mut Fields<'_>, default: &Self) -> Self {
        let model = match fields.optional::<String>("model") {
            Some((text, at)) if text.trim().is_empty() => {
                let name = fields.name("model");
                fields.refuse(
                    &at,
                    format!("`{name}` is empty; write a file under the models directory such as {:?}", default.model),
                );
                default.model.clone()
            }
            Some((text, _)) => text,
            None => default.model.clone(),
        };
        let memory_at = fields.place("memory_mb");
        let engine = Self {
            model,
            workers: fields.whole("workers", default.workers, 1, 64),
            slots: fields.whole("slots", default.slots, 1, 256),
            threads: fields.whole("threads", default.threads, 0, 1024),
            memory_mb: fields.whole("memory_mb", default.memory_mb, 0, 4_000_000),
            nice: fields.whole("nice", default.nice, 0, 19),
        };
        if let Some(at) = memory_at.filter(|_| (1..64).contains(&engine.memory_mb)) {
            let name = fields.name("memory_mb");
            fields.refuse(&at, format!("`{name}` is {}; write 0 for no limit or at least 64", engine.memory_mb));
        }
        engine
    }
}

/// The name of a voice as the workers understand it.
struct Voice(String);

impl FromNode for Voice {
    fn from_node(node: &Node) -> Result<Self, String> {
        let text = String::from_node(node)?;
        if super::validate::voice_name(&text) {
            Ok(Self(text))
        } else {
            Err(format!(
                "is {text:?}; write \"piper\", \"espeak\", an espeak voice such as \"espeak:hi+m3\", or the id of a Piper voice"
            ))
        }
    }
}

impl Engines {
    fn read(mut fields: Fields<'_>) -> Self {
        let starter = |model: &str, slots, memory_mb| Engine {
            model: model.to_owned(),
            workers: 1,
            slots,
            threads: 0,
            memory_mb,
            nice: 0,
        };
        let mut section = fields.section("stt");
        let stt =
            SttEngine { engine: Engine::read(&mut section, &starter("starter/stt/vaani-starter-stt.bin", 2, 2_048)) };
        section.finish();

        let mut section = fields.section("llm");
        let llm = LlmEngine {
            engine: Engine::read(&mut section, &starter("starter/llm/vaani-starter-llm.gguf", 4, 4_096)),
            context: section.whole("context", 2_048, 256, 1_048_576),
        };
        section.finish();

        let mut section = fields.section("tts");
        let engine = Engine::read(&mut section, &starter("starter/tts/vaani-starter-voice.onnx", 2, 2_048));
        let mut spoken = section.section("voices");
        let mut voices = BTreeMap::new();
        for (key, node) in spoken.rest() {
            match (key.parse::<Lang>(), Voice::from_node(&node)) {
                (Ok(lang), Ok(Voice(name))) => {
                    voices.insert(lang, name);
                }
                (Err(unknown), _) => spoken.refuse(&node.at, format!("`{}`: {unknown}", spoken.name(&key))),
                (_, Err(fault)) => spoken.refuse(&node.at, format!("`{}` {fault}", spoken.name(&key))),
            }
        }
        spoken.finish();
        section.finish();
        fields.finish();
        Self { stt, llm, tts: TtsEngine { engine, voices } }
    }
}

impl Calls {
    fn read(mut fields: Fields<'_>) -> Self {
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let most_calls = u32::try_from(CALLS_MAX).unwrap_or(u32::MAX);
        let default_agent = fields.optional::<String>("default_agent").map_or_else(
            || "helpdesk".to_owned(),
            |(name, at)| {
                if !super::validate::plain_name(&name) {
                    fields.refuse(&at, format!("`calls.default_agent` is {name:?}; write the name of a file in agents/ without .toml, such as \"helpdesk\""));
                }
                name
            },
        );
        let max_calls = fields.whole("max_calls", 300, 1, most_calls);
        let busy_line = fields.choice("when_busy", true, &[("line", true), ("tone", false)]);
        let max_seconds = fields.whole("max_seconds", seconds(CALL_MAX), 10, seconds(CALL_MAX));
        let given = fields.place("inactivity_seconds");
        let inactivity = fields.whole("inactivity_seconds", seconds(INACTIVITY_MAX), 5, seconds(CALL_MAX));
        let drain = fields.whole("drain_seconds", seconds(DRAIN_MAX), 0, seconds(CALL_MAX));
        // With the default inactivity this is no fault of the owner: the call simply ends first.
        if let Some(at) = given.filter(|_| inactivity > max_seconds) {
            fields.refuse(&at, format!("`calls.inactivity_seconds` ({inactivity}) is longer than `calls.max_seconds` ({max_seconds}); write a smaller number"));
        }
        fields.finish();
        Self {
            default_agent,
            max_calls: max_calls as usize,
            busy_line,
            max_duration: Duration::from_secs(max_seconds.into()),
            inactivity: Duration::from_secs(inactivity.min(max_seconds).into()),
            drain: Duration::from_secs(drain.into()),
        }
    }
}

impl Privacy {
    fn read(mut fields: Fields<'_>) -> Self {
        let transcripts = fields.or("transcripts", false);
        fields.finish();
        Self { transcripts }
    }
}

impl FromNode for Network {
    fn from_node(node: &Node) -> Result<Self, String> {
        String::from_node(node)?.parse().map_err(|error: NotANetwork| format!("is wrong: {error}"))
    }
}

impl Webhooks {
    fn read(mut fields: Fields<'_>, roots: &Roots) -> Self {
        let webhooks = Self {
            allow_private: fields.or("allow_private", Vec::new()),
            allow_http: fields.or("allow_http", false),
            give_up_hours: fields.whole("give_up_hours", 72, 1, 720),
            parallel: fields.whole("parallel", WEBHOOK_PARALLEL, 1, WEBHOOK_PARALLEL_MAX),
            keep_days: fields.whole("keep_days", 7, 1, 366),
            roots: roots.clone(),
        };
        fields.finish();
        webhooks
    }
}

impl Log {
    fn read(mut fields: Fields<'_>) -> Self {
        let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
        let format = fields.choice("format", LogFormat::Auto, &formats);
        let level = fields.optional::<String>("level").map_or_else(
            || "info".to_owned(),
            |(text, at)| {
                if !super::validate::log_filter(&text) {
                    fields.refuse(&at, format!("`log.level` is {text:?}; write error, warn, info, debug or trace, or a filter such as \"info,vaani::call=debug\""));
                }
                text
            },
        );
        fields.finish();
        Self { format, level }
    }
}
