//! Twilio: a box on a free port of this machine, and what the tests do to it.

mod dial;
mod golden;
mod streams;
mod transfer;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::serve::ListenerExt as _;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use vaani::base::secret::Secret;
use vaani::base::tasks::Scope;
use vaani::base::{Clock, Lang};
use vaani::telephony::far::FarCall;
use vaani::telephony::leg::{LegCommand, LegEvent, LegOffer};
use vaani::telephony::public_url::PublicUrl;
use vaani::telephony::signature::{self, Algorithm, Keys};
use vaani::telephony::twilio::carrier::{DialError, DialOptions};
use vaani::telephony::twilio::{PromptSource, TwilioDeps, TwilioMetrics, TwilioSettings, routes};

use crate::exchange::Notes;

const OLD_TOKEN: &str = "the-token-before-that";
const TOKEN: &str = "a-token-for-tests";
/// Long enough for the slowest machine; nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(30);

struct TestBox {
    exchange: Arc<Notes>,
    offers: mpsc::UnboundedReceiver<LegOffer>,
    url: PublicUrl,
    public: PublicUrl,
    metrics: TwilioMetrics,
    tasks: Scope,
    clock: Clock,
}

struct Setup {
    languages: &'static [Lang],
    public: Option<&'static str>,
    configured: bool,
    require_upgrade_signature: bool,
    spoken_busy: bool,
    token_changing: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            languages: &[Lang::En],
            public: None,
            configured: true,
            require_upgrade_signature: true,
            spoken_busy: false,
            token_changing: false,
        }
    }
}

impl Setup {
    async fn start(self) -> TestBox {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: PublicUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let public: PublicUrl = self.public.map_or_else(|| url.clone(), |public| public.parse().unwrap());
        let keys = Keys { auth_token: self.configured.then(|| Secret::new(TOKEN)), shared: Vec::new() };
        let mut settings = TwilioSettings::new(keys, public.clone());
        settings.require_upgrade_signature = self.require_upgrade_signature;
        settings.spoken_busy = self.spoken_busy;
        settings.previous_auth_token = self.token_changing.then(|| Secret::new(OLD_TOKEN));
        let (exchange, offers) = Notes::new(self.languages);
        let exchange = Arc::new(exchange);
        let (tasks, clock, metrics) = (Scope::new(), Clock::system(), TwilioMetrics::default());
        let router = routes(TwilioDeps {
            settings,
            exchange: Arc::clone(&exchange) as Arc<_>,
            prompts: Arc::new(Voice),
            clock,
            tasks: tasks.clone(),
            metrics: metrics.clone(),
        });
        tasks.spawn("test box", async move {
            let listener = listener.tap_io(|tcp| tcp.set_nodelay(true).unwrap());
            axum::serve(listener, router).await.unwrap();
        });
        TestBox { exchange, offers, url, public, metrics, tasks, clock }
    }
}

impl TestBox {
    fn options(&self) -> DialOptions {
        let mut options = DialOptions::new(self.url.clone(), Secret::new(TOKEN));
        options.public_base_url = self.public.clone();
        options
    }

    async fn dial(&self, options: DialOptions) -> Result<FarCall, DialError> {
        options.dial(&self.tasks, self.clock).await
    }

    /// The next leg that reaches the exchange.
    async fn leg(&mut self) -> LegOffer {
        timeout(PATIENCE, self.offers.recv()).await.expect("a leg in time").unwrap()
    }

    /// Dials and takes the call.
    async fn call(&mut self, options: DialOptions) -> (FarCall, LegOffer) {
        let carrier = self.dial(options).await.unwrap();
        (carrier, self.leg().await)
    }

    fn form(&self) -> Vec<(String, String)> {
        [
            ("CallSid", "CA1"),
            ("AccountSid", "AC1"),
            ("From", "+919876543210"),
            ("To", "+914440001234"),
            ("CallStatus", "ringing"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// A signed form post; status and text of the answer.
    async fn post(&self, path: &str, form: &[(String, String)]) -> (u16, String) {
        let signature = signature::sign(&Secret::new(TOKEN), Algorithm::HmacSha1, &self.public.webhook(path), form);
        self.post_signed(path, form, Some(&signature)).await
    }

    async fn post_signed(&self, path: &str, form: &[(String, String)], signature: Option<&str>) -> (u16, String) {
        let mut request = http().post(self.url.webhook(path)).form(form);
        if let Some(signature) = signature {
            request = request.header(signature::SIGNATURE_HEADER, signature);
        }
        answer(request).await
    }

    /// The TwiML that offers a stream, and the token in it.
    async fn token(&self) -> String {
        let (status, twiml) = self.post("/voice/incoming", &self.form()).await;
        assert_eq!(status, 200);
        let (_, rest) = twiml.split_once("name=\"token\" value=\"").expect("a token");
        rest.split('"').next().unwrap().to_owned()
    }

    /// A bare socket to the media route, signed.
    async fn socket(&self) -> WebSocketStream<TcpStream> {
        let signature =
            signature::sign(&Secret::new(TOKEN), Algorithm::HmacSha1, &self.public.socket("/media-stream"), &[]);
        self.socket_signed(Some(&signature)).await.expect("the upgrade is taken")
    }

    /// The status of the answer if it is not an upgrade.
    async fn socket_signed(&self, signature: Option<&str>) -> Result<WebSocketStream<TcpStream>, u16> {
        let mut request = self.url.socket("/media-stream").into_client_request().unwrap();
        if let Some(signature) = signature {
            request.headers_mut().insert(signature::SIGNATURE_HEADER, signature.parse().unwrap());
        }
        let host = self.url.webhook("").split_once("://").unwrap().1.to_owned();
        let tcp = TcpStream::connect(host).await.unwrap();
        match tokio_tungstenite::client_async(request, tcp).await {
            Ok((socket, _)) => Ok(socket),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn start(token: &str, call: &str, account: &str) -> String {
    format!(
        r#"{{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{{"accountSid":"{account}","streamSid":"MZ1","callSid":"{call}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{"token":"{token}"}}}}}}"#
    )
}

/// Speaks Hindi only, has words for the others but Tamil.
struct Voice;

impl PromptSource for Voice {
    fn available(&self, lang: Lang, _: &str, _: Option<char>) -> bool {
        lang == Lang::Hi
    }

    fn wav(&self, lang: Lang, key: &str, digit: Option<char>) -> BoxFuture<'_, Option<Bytes>> {
        let wav = (lang == Lang::Hi).then(|| Bytes::from(format!("RIFF {key} {digit:?}")));
        Box::pin(std::future::ready(wav))
    }

    fn text(&self, lang: Lang, key: &str, digit: Option<char>) -> Option<String> {
        (lang != Lang::Ta).then(|| format!("{key} {} {}", lang.iso(), digit.unwrap_or('-')))
    }
}

/// The next event of the leg that is no sound.
async fn next_event(offer: &mut LegOffer) -> Option<LegEvent> {
    loop {
        match timeout(PATIENCE, offer.events.recv()).await.expect("an event in time") {
            Some(LegEvent::Audio { .. }) => {}
            other => return other,
        }
    }
}

async fn command(offer: &LegOffer, command: LegCommand) {
    offer.commands.send(command).await.expect("the leg takes commands");
}
