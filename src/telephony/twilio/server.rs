//! The HTTP side: webhooks answered with TwiML, status callbacks, menu prompts, the upgrade to the
//! media socket.
//! Promise: a request without a signature that holds gets 403 and starts nothing; the same call
//! announced again is the same call; every body, wait and number of sockets is bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts as _, OriginalUri, Path, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::busy;
use super::machine::Leg;
use super::prompts::{self, Prompt, PromptSource};
use super::room;
use super::tokens::{Ticket, Tokens};
use super::twiml::{self, Gather, Stream, Verb};
use crate::base::event::{AnsweredBy, CallState, Direction};
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, limits};
use crate::telephony::leg::{Announcement, Exchange};
use crate::telephony::public_url::PublicUrl;
use crate::telephony::signature::{self, Fault, Keys, Presented};
use crate::telephony::stream::StreamMetrics;
use crate::telephony::stream::socket::{self, Admitted, Surroundings};

/// Keys of the menu, in the order of the agent's languages.
pub const MENU_KEYS: &str = "1234567890*";

#[derive(Clone, Debug)]
pub struct TwilioSettings {
    pub keys: Keys,
    /// Still believed while the account's token is being changed.
    pub previous_auth_token: Option<Secret>,
    /// Where the carrier reaches us. `http://` makes the media socket `ws://` (rehearsals).
    pub public_base_url: PublicUrl,
    /// Ask for the language by key, if the agent has several.
    pub menu: bool,
    /// Silence after the menu that counts as no answer.
    pub menu_timeout: Duration,
    /// Refuse upgrades that carry no signature; one that does not hold is always refused.
    pub require_upgrade_signature: bool,
    /// Say the apology to a caller we cannot take (the call is answered and charged) instead of a
    /// busy tone.
    pub spoken_busy: bool,
}

impl TwilioSettings {
    pub fn new(keys: Keys, public_base_url: PublicUrl) -> Self {
        Self {
            keys,
            previous_auth_token: None,
            public_base_url,
            menu: true,
            menu_timeout: Duration::from_secs(6),
            require_upgrade_signature: true,
            spoken_busy: false,
        }
    }
}

pub struct TwilioDeps {
    pub settings: TwilioSettings,
    pub exchange: Arc<dyn Exchange>,
    pub prompts: Arc<dyn PromptSource>,
    pub clock: Clock,
    pub tasks: Scope,
    pub metrics: TwilioMetrics,
}

/// What can be counted without knowing anything of a call. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct TwilioMetrics {
    pub webhooks: Counter,
    pub refused_signatures: Counter,
    pub refused_calls: Counter,
    pub streams: StreamMetrics,
}

impl TwilioMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("twilio");
        for (name, help, counter) in [
            ("webhooks", "Signed webhooks answered", &self.webhooks),
            ("refused_signatures", "Requests without a signature that holds", &self.refused_signatures),
            ("refused_calls", "Calls answered with a busy tone or an apology", &self.refused_calls),
        ] {
            registry.register(name, help, counter.clone());
        }
        self.streams.register(registry);
    }
}

/// What every request and every leg of this transport shares.
pub(super) struct Shared {
    pub deps: TwilioDeps,
    pub tokens: Tokens,
    /// Sockets that have not shown a token yet.
    pub pending: Arc<Semaphore>,
}

/// All routes of the transport; merge them at the root.
pub fn routes(deps: TwilioDeps) -> Router {
    if !deps.settings.keys.is_configured() {
        warn!("no Twilio auth token is configured; Twilio webhooks are answered with 503 until there is one");
    }
    let shared =
        Shared { deps, tokens: Tokens::default(), pending: Arc::new(Semaphore::new(limits::STREAMS_PENDING_MAX)) };
    Router::new()
        .route("/voice/incoming", get(incoming).post(incoming))
        .route("/voice/language-selected", get(language_selected).post(language_selected))
        .route("/voice/callback", get(busy::callback).post(busy::callback))
        .route("/voice/after-stream", get(after_stream).post(after_stream))
        .route("/voice/after-person/{call}", get(room::after).post(room::after))
        .route("/voice/with-person/{call}", get(room::news).post(room::news))
        .route("/voice/prompt/{name}", get(prompt))
        .route("/webhook/twilio", get(generic).post(generic))
        .route("/api/calls/webhook/{call_id}", get(call_status).post(call_status))
        .route("/media-stream", get(media_stream))
        .with_state(Arc::new(shared))
}

type Pairs = Vec<(String, String)>;

/// What a webhook is told. Small, so that it can be an error as well.
pub(super) enum Answer {
    Plain(StatusCode, &'static str),
    Document(String),
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Plain(status, text) => (status, text).into_response(),
            Self::Document(twiml) => ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], twiml).into_response(),
        }
    }
}

/// A request whose signature held.
pub(super) struct Webhook {
    query: Pairs,
    /// The carrier's parameters: of the form, or of the query if it was a GET.
    params: Pairs,
}

impl Webhook {
    /// Reads and checks; the error is the answer.
    pub(super) async fn receive(shared: &Shared, request: Request) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        if !shared.deps.settings.keys.is_configured() {
            return Err(shared.unconfigured());
        }
        let read = axum::body::to_bytes(body, limits::WEBHOOK_BODY_MAX);
        let body = match tokio::time::timeout(limits::WEBHOOK_BODY_WITHIN, read).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broke off")),
            Err(_) => return Err(plain(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
        };
        let url = shared.deps.settings.public_base_url.webhook(uri.path_and_query().map_or("/", |p| p.as_str()));
        let query = decode(uri.query().unwrap_or_default().as_bytes());
        let claim = presented(&parts.headers);
        let (checked, params) = match (&parts.method, kind_of(&parts.headers, &body)) {
            (&Method::GET | &Method::HEAD, _) => {
                (shared.check(|keys| keys.check_form(claim, &url, &[])), query.clone())
            }
            (_, BodyKind::Form) => {
                let form = decode(&body);
                (shared.check(|keys| keys.check_form(claim, &url, &form)), form)
            }
            (_, BodyKind::Json) => (shared.check(|keys| keys.check_body(claim, &url, &body)), json_pairs(&body)),
            (_, BodyKind::Other) => {
                return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send a form or JSON"));
            }
        };
        checked.map_err(|fault| shared.unsigned(fault, uri.path()))?;
        shared.deps.metrics.webhooks.inc();
        Ok(Self { query, params })
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        find(&self.params, name)
    }

    /// Of the address that we or the console's owner gave; it is covered by the signature.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    fn carrier_call(&self) -> Result<&str, Answer> {
        let plausible = |sid: &&str| (1..=64).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric());
        self.param("CallSid").filter(plausible).ok_or_else(|| plain(StatusCode::BAD_REQUEST, "CallSid is missing"))
    }

    /// The box's own id of the call, where we have written it into the address.
    fn own_call(&self) -> Option<CallId> {
        self.query("call").and_then(|call| call.parse().ok())
    }

    pub(super) fn agent(&self) -> Option<&str> {
        find(&self.query, "agent").filter(|agent| !agent.is_empty())
    }

    /// Of the address the carrier was given for this number or call; it is covered by the signature.
    fn place(&self, name: &str) -> Option<String> {
        let plausible = |place: &&str| !place.is_empty() && place.len() <= 64 && !place.contains(char::is_control);
        find(&self.query, name).filter(plausible).map(str::to_owned)
    }

    pub(super) fn announcement(&self) -> Result<Announcement, Answer> {
        let phone = |name| self.param(name).filter(|n| *n != ANONYMOUS).and_then(|n| n.parse().ok());
        let outbound = self.param("Direction").is_some_and(|direction| direction.starts_with("outbound"));
        Ok(Announcement {
            transport: "twilio",
            carrier_call: self.carrier_call()?.to_owned(),
            direction: if outbound { Direction::Outbound } else { Direction::Inbound },
            from: phone("From"),
            to: phone("To"),
            agent: self.agent().map(str::to_owned),
            call: self.own_call(),
            state: self.place("state"),
            district: self.place("district"),
        })
    }

    /// The state a status callback reports; `None`: this is no status callback.
    fn reported_state(&self) -> Option<CallState> {
        let state = match self.param("CallStatus")? {
            "queued" | "initiated" => CallState::Initiated,
            "ringing" => CallState::Ringing,
            "in-progress" | "answered" => CallState::InProgress,
            "completed" => CallState::Completed,
            "busy" | "no-answer" => CallState::NotPicked,
            "failed" | "canceled" => CallState::Failed,
            _ => return None,
        };
        Some(state)
    }

    /// Who took the call, of a callback of machine detection.
    fn answered_by(&self) -> Option<AnsweredBy> {
        // Progress news repeat it at the end of a call, when it helps nobody.
        if self.param("CallStatus").is_some() {
            return None;
        }
        Some(match self.param("AnsweredBy")? {
            "human" => AnsweredBy::Human,
            "machine_end_beep" | "machine_end_silence" | "machine_end_other" => AnsweredBy::Machine,
            "fax" => AnsweredBy::Fax,
            // `machine_start` also comes for people who say little; nobody is treated as a machine for it.
            _ => AnsweredBy::Unknown,
        })
    }

    /// The generic address gets both kinds: a call that wants instructions is ringing or in
    /// progress and does not say that this is progress news.
    fn is_status_callback(&self) -> bool {
        self.param("CallbackSource").is_some()
            || self.param("StreamEvent").is_some()
            || !matches!(self.param("CallStatus"), None | Some("ringing" | "in-progress"))
    }
}

/// Twilio's number for a withheld caller id (it spells "anonymous").
const ANONYMOUS: &str = "+266696687";

async fn incoming(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    match Webhook::receive(&shared, request).await {
        Ok(webhook) => shared.begin(&webhook).unwrap_or_else(|answer| answer),
        Err(answer) => answer,
    }
}

async fn language_selected(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    match Webhook::receive(&shared, request).await {
        Ok(webhook) => shared.choose(&webhook).unwrap_or_else(|answer| answer),
        Err(answer) => answer,
    }
}

/// Comes when our socket has closed, or broke.
async fn after_stream(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    match Webhook::receive(&shared, request).await {
        Ok(webhook) => shared.go_on(&webhook).await.unwrap_or_else(|answer| answer),
        Err(answer) => answer,
    }
}

async fn generic(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    let webhook = match Webhook::receive(&shared, request).await {
        Ok(webhook) => webhook,
        Err(answer) => return answer,
    };
    if webhook.is_status_callback() {
        shared.status(&webhook)
    } else {
        shared.begin(&webhook).unwrap_or_else(|answer| answer)
    }
}

async fn call_status(State(shared): State<Arc<Shared>>, Path(call): Path<String>, request: Request) -> Answer {
    match Webhook::receive(&shared, request).await {
        Ok(webhook) => {
            // News may overtake the answer to the order that names the call.
            if let (Ok(call), Ok(carrier_call)) = (call.parse(), webhook.carrier_call()) {
                shared.deps.exchange.named(call, carrier_call);
            }
            shared.status(&webhook)
        }
        Err(answer) => answer,
    }
}

/// Unsigned, since the carrier fetches files without a signature: it gives out fixed lines only.
async fn prompt(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Response {
    let Some(Prompt { key, lang, digit }) = Prompt::parse(&name) else {
        return plain(StatusCode::NOT_FOUND, "no such prompt").into_response();
    };
    match shared.deps.prompts.wav(lang, key, digit).await {
        Some(wav) => ([(header::CONTENT_TYPE, "audio/wav"), (header::CACHE_CONTROL, "public, max-age=3600")], wav)
            .into_response(),
        None => plain(StatusCode::NOT_FOUND, "this prompt cannot be spoken here").into_response(),
    }
}

async fn media_stream(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let settings = &shared.deps.settings;
    if !settings.keys.is_configured() {
        return shared.unconfigured().into_response();
    }
    let (mut parts, _) = request.into_parts();
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let claim = presented(&parts.headers);
    if claim.signature.is_some() || settings.require_upgrade_signature {
        let base = &settings.public_base_url;
        let checked = shared.check(|keys| keys.check_upgrade(claim, base, uri.path(), uri.query()));
        if let Err(fault) = checked {
            return shared.unsigned(fault, uri.path()).into_response();
        }
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(pending) = Arc::clone(&shared.pending).try_acquire_owned() else {
        warn!("too many media sockets wait for their token; refusing another");
        return plain(StatusCode::SERVICE_UNAVAILABLE, "too many sockets").into_response();
    };
    let around = Surroundings {
        transport: "twilio",
        exchange: Arc::clone(&shared.deps.exchange),
        clock: shared.deps.clock,
        tasks: shared.deps.tasks.clone(),
        metrics: shared.deps.metrics.streams.clone(),
    };
    let leg = Leg::new(shared.deps.clock.now());
    socket::serve(upgrade, around, leg, pending, move |shown| {
        match shared.tokens.redeem(shared.deps.clock.now(), &shown) {
            Ok(ticket) => Some(Admitted { call: ticket.call, language: ticket.language }),
            Err(fault) => {
                warn!(%fault, "a media stream was refused");
                None
            }
        }
    })
}

impl Shared {
    /// With the keys of today, then with yesterday's.
    fn check(&self, with: impl Fn(&Keys) -> Result<(), Fault>) -> Result<(), Fault> {
        let TwilioSettings { keys, previous_auth_token, .. } = &self.deps.settings;
        match (with(keys), previous_auth_token) {
            (Err(Fault::Mismatch), Some(previous)) => {
                with(&Keys { auth_token: Some(previous.clone()), shared: keys.shared.clone() })
            }
            (checked, _) => checked,
        }
    }

    /// A call asks what to do for the first time.
    fn begin(&self, webhook: &Webhook) -> Result<Answer, Answer> {
        let call = self.announce(webhook)?;
        let menu = self.menu(webhook);
        if menu.len() < 2 {
            return self.connect(webhook, call, None, 0);
        }
        Ok(self.ask(webhook, &menu, 1))
    }

    /// A key was pressed in the menu, or none was.
    fn choose(&self, webhook: &Webhook) -> Result<Answer, Answer> {
        let call = self.announce(webhook)?;
        let menu = self.menu(webhook);
        let chosen = webhook.param("Digits").and_then(|digits| {
            let place = MENU_KEYS.find(digits).filter(|_| digits.len() == 1)?;
            menu.get(place).copied()
        });
        let first_time = find(&webhook.query, "attempt").is_none_or(|attempt| attempt == "1");
        match chosen {
            None if first_time && menu.len() > 1 => Ok(self.ask(webhook, &menu, 2)),
            language => self.connect(webhook, call, language, 0),
        }
    }

    /// Whom the box has called is not asked: it knows their language, or hears it, and a person who is to
    /// take a caller over wants to hear of them.
    fn menu(&self, webhook: &Webhook) -> Vec<Lang> {
        if self.deps.settings.menu && webhook.query("call").is_none() {
            self.deps.exchange.menu(webhook.agent())
        } else {
            Vec::new()
        }
    }

    fn announce(&self, webhook: &Webhook) -> Result<CallId, Answer> {
        let announcement = webhook.announcement()?;
        self.deps.exchange.announce(announcement).map_err(|refusal| {
            self.deps.metrics.refused_calls.inc();
            warn!(%refusal, "call refused");
            self.refuse(refusal, webhook)
        })
    }

    /// The menu. Without an answer the carrier goes on to the redirect, which comes back here once.
    fn ask(&self, webhook: &Webhook, menu: &[Lang], attempt: u32) -> Answer {
        let base = &self.deps.settings.public_base_url;
        let mut next = format!("/voice/language-selected?attempt={attempt}");
        for name in ["agent", "state", "district"] {
            if let Some(value) = find(&webhook.query, name).filter(|value| !value.is_empty()) {
                next.push('&');
                next.push_str(name);
                next.push('=');
                next.extend(url::form_urlencoded::byte_serialize(value.as_bytes()));
            }
        }
        let next = base.webhook(&next);
        let prompts = menu.iter().zip(MENU_KEYS.chars()).filter_map(|(lang, digit)| {
            Prompt { key: prompts::MENU, lang: *lang, digit: Some(digit) }.verb(base, self.deps.prompts.as_ref())
        });
        let gather = Gather {
            action: next.clone(),
            timeout_seconds: self.deps.settings.menu_timeout.as_secs().max(1),
            prompts: prompts.collect(),
        };
        document(&[Verb::Gather(gather), Verb::Redirect(next)])
    }

    /// The stream of a call is over. One that waits to be connected again gets another stream, for any other
    /// the conversation is over. What is needed for that stands in the address that came with the stream, so
    /// that the box keeps nothing of it.
    async fn go_on(&self, webhook: &Webhook) -> Result<Answer, Answer> {
        let exchange = &self.deps.exchange;
        let (Ok(carrier_call), Some(call)) = (webhook.carrier_call(), webhook.own_call()) else {
            return Ok(document(&[Verb::Hangup]));
        };
        if !exchange.media_over(carrier_call).await {
            return Ok(document(&[Verb::Hangup]));
        }
        let resumed = webhook.query("resumed").and_then(|times| times.parse::<u32>().ok()).unwrap_or(0);
        if resumed >= limits::RESUMES_MAX {
            warn!(%call, resumed, "the media stream of a call keeps breaking; the call is ended");
            exchange.carrier_state(carrier_call, CallState::Completed);
            return Ok(document(&[Verb::Hangup]));
        }
        self.connect(webhook, call, None, resumed + 1)
    }

    /// Hands the call over to our socket, after so many that broke.
    fn connect(&self, webhook: &Webhook, call: CallId, language: Option<Lang>, resumed: u32) -> Result<Answer, Answer> {
        let base = &self.deps.settings.public_base_url;
        let ticket = Ticket {
            call,
            carrier_call: webhook.carrier_call()?.to_owned(),
            account: webhook.param("AccountSid").unwrap_or_default().to_owned(),
            language,
        };
        let token = self.tokens.mint(self.deps.clock.now(), ticket).map_err(|error| {
            error!(%error, "the system gives no random numbers; no call can be taken");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "try again")
        })?;
        let mut parameters = vec![("token", token)];
        parameters.extend(language.map(|lang| ("lang", lang.tag().to_owned())));
        let stream = Stream {
            url: base.socket("/media-stream"),
            status_callback: base.webhook(&format!("/api/calls/webhook/{call}")),
            parameters,
        };
        info!(%call, language = language.map(Lang::tag), resumed, "offering the media stream");
        let confirmation = language.and_then(|lang| {
            Prompt { key: prompts::CONFIRMED, lang, digit: None }.verb(base, self.deps.prompts.as_ref())
        });
        let mut verbs = Vec::from_iter(confirmation);
        // A network that is gone for some seconds must not use up all tries in the first of them.
        verbs.extend((resumed > 1).then(|| Verb::Pause { seconds: resumed - 1 }));
        verbs.push(Verb::Connect(stream));
        verbs.push(Verb::Redirect(base.webhook(&format!("/voice/after-stream?call={call}&resumed={resumed}"))));
        Ok(document(&verbs))
    }

    /// News of a call or of its stream.
    fn status(&self, webhook: &Webhook) -> Answer {
        let carrier_call = match webhook.carrier_call() {
            Ok(sid) => sid,
            Err(answer) => return answer,
        };
        if let Some(who) = webhook.answered_by() {
            self.deps.exchange.answered_by(carrier_call, who);
        }
        if let Some(event) = webhook.param("StreamEvent") {
            if event == "stream-error" {
                warn!(carrier_call, "the carrier reports an error of the media stream");
            }
        } else if let Some(state) = webhook.reported_state() {
            self.deps.exchange.carrier_state(carrier_call, state);
        }
        plain(StatusCode::NO_CONTENT, "")
    }

    fn unconfigured(&self) -> Answer {
        self.deps.metrics.refused_signatures.inc();
        error!(
            "a Twilio request came but no auth token is configured, so it cannot be believed; set TWILIO_AUTH_TOKEN"
        );
        plain(StatusCode::SERVICE_UNAVAILABLE, "this box has no Twilio auth token yet")
    }

    fn unsigned(&self, fault: Fault, path: &str) -> Answer {
        // An attacker must not be able to fill the log: the first ones, then ever fewer.
        if self.deps.metrics.refused_signatures.inc().wrapping_add(1).is_power_of_two() {
            let refused = self.deps.metrics.refused_signatures.get();
            warn!(%fault, path, refused, "a request was refused for its signature");
        }
        plain(StatusCode::FORBIDDEN, "the signature does not hold")
    }
}

enum BodyKind {
    Form,
    Json,
    Other,
}

fn kind_of(headers: &HeaderMap, body: &Bytes) -> BodyKind {
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return if body.is_empty() { BodyKind::Form } else { BodyKind::Other };
    };
    let essence = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        BodyKind::Form
    } else if essence.eq_ignore_ascii_case("application/json") {
        BodyKind::Json
    } else {
        BodyKind::Other
    }
}

fn presented(headers: &HeaderMap) -> Presented<'_> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    Presented { signature: text(signature::SIGNATURE_HEADER), settings: text(signature::SETTINGS_HEADER) }
}

fn decode(form: &[u8]) -> Pairs {
    url::form_urlencoded::parse(form).into_owned().collect()
}

/// The top level of a JSON object as if it had been a form.
fn json_pairs(body: &[u8]) -> Pairs {
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(body) else { return Vec::new() };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

fn find<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

pub(super) fn document(verbs: &[Verb]) -> Answer {
    Answer::Document(twiml::print(verbs))
}

pub(super) const fn plain(status: StatusCode, text: &'static str) -> Answer {
    Answer::Plain(status, text)
}
