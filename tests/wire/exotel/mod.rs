//! Exotel: a box on a free port of this machine, and what the tests do to it.

mod connect;
mod golden;
mod orders;
mod refused;
mod streams;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

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
use vaani::telephony::exotel::access::{Access, Login};
use vaani::telephony::exotel::carrier::{DialError, DialOptions};
use vaani::telephony::exotel::{ExotelDeps, ExotelMetrics, ExotelSettings, Flows, routes};
use vaani::telephony::far::FarCall;
use vaani::telephony::leg::{LegCommand, LegEvent, LegOffer};
use vaani::telephony::lines::SpokenLines;
use vaani::telephony::public_url::PublicUrl;

use crate::exchange::Notes;

/// Long enough for the slowest machine; nothing is measured with it.
const PATIENCE: Duration = Duration::from_secs(30);

struct TestBox {
    exchange: Arc<Notes>,
    offers: mpsc::UnboundedReceiver<LegOffer>,
    /// With the credentials of its addresses.
    url: url::Url,
    public: PublicUrl,
    settings: ExotelSettings,
    flows: Arc<Flows>,
    metrics: ExotelMetrics,
    tasks: Scope,
    clock: Clock,
}

struct Setup {
    access: Access,
    public: Option<&'static str>,
    spoken_busy: bool,
    sample_rate: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self { access: known(), public: None, spoken_busy: false, sample_rate: 16_000 }
    }
}

fn known() -> Access {
    Access { login: Some(Login { user: "exotel".to_owned(), password: Secret::new("p@ss/word") }), ..Access::default() }
}

impl Setup {
    async fn start(self) -> TestBox {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let real: PublicUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let public: PublicUrl = self.public.map_or_else(|| real.clone(), |public| public.parse().unwrap());
        let mut settings = ExotelSettings::new(self.access, public.clone());
        settings.spoken_busy = self.spoken_busy;
        settings.sample_rate = self.sample_rate;
        let (exchange, offers) = Notes::new(&[Lang::Hi]);
        let exchange = Arc::new(exchange);
        let (tasks, clock, metrics) = (Scope::new(), Clock::system(), ExotelMetrics::default());
        let flows = Arc::new(Flows::new(true));
        let router = routes(ExotelDeps {
            settings: settings.clone(),
            flows: Arc::clone(&flows),
            exchange: Arc::clone(&exchange) as Arc<_>,
            lines: Arc::new(Voice),
            clock,
            tasks: tasks.clone(),
            metrics: metrics.clone(),
        });
        tasks.spawn("test box", async move {
            let listener = listener.tap_io(|tcp| tcp.set_nodelay(true).unwrap());
            let router = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, router).await.unwrap();
        });
        let told = ExotelSettings { public_base_url: real, ..settings.clone() }.webhook_url("");
        TestBox { exchange, offers, url: told.parse().unwrap(), public, settings, flows, metrics, tasks, clock }
    }
}

impl TestBox {
    fn options(&self) -> DialOptions {
        DialOptions::new(self.url.clone(), self.public.clone())
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

    fn at(&self, path: &str) -> String {
        self.url.as_str().trim_end_matches('/').to_owned() + path
    }

    /// The path and query of a socket that the box offers to this call.
    async fn session(&self, call: &str) -> String {
        let (status, text) = answer(http().get(self.at(&format!("/ws-url?CallSid={call}&From=09876543210")))).await;
        assert_eq!(status, 200, "{text}");
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        let url: url::Url = answer["url"].as_str().unwrap().parse().unwrap();
        format!("{}?{}", url.path(), url.query().unwrap())
    }

    /// A bare socket; the status of the answer if it is not an upgrade.
    async fn socket(&self, path: &str) -> Result<WebSocketStream<TcpStream>, u16> {
        let host = format!("127.0.0.1:{}", self.url.port().unwrap());
        let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
        if let Some(login) = &self.settings.access.login {
            request.headers_mut().insert("authorization", login.header().parse().unwrap());
        }
        let tcp = TcpStream::connect(host).await.unwrap();
        match tokio_tungstenite::client_async(request, tcp).await {
            Ok((socket, _)) => Ok(socket),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

fn dial(url: &str) -> DialOptions {
    DialOptions::new(url.parse().unwrap(), url.parse().unwrap())
}

fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn start(call: &str) -> String {
    format!(
        r#"{{"event":"start","sequence_number":"1","stream_sid":"s1","start":{{"stream_sid":"s1","call_sid":"{call}","account_sid":"acme1","from":"09876543210","to":"04440001234","custom_parameters":{{"district":"Theni"}},"media_format":{{"encoding":"audio/x-raw","sample_rate":"8000"}}}}}}"#
    )
}

/// Every line is a tone of 200 ms, the offer one of 400 ms.
struct Voice;

impl SpokenLines for Voice {
    fn has(&self, lang: Lang, _: &str) -> bool {
        lang == Lang::Hi
    }

    fn pcm<'a>(&'a self, _: Lang, key: &'a str, _: Option<char>) -> BoxFuture<'a, Option<Vec<i16>>> {
        let frames = if key == "callback_offer" { 20 } else { 10 };
        Box::pin(std::future::ready(Some(tone(frames))))
    }
}

/// A tone of so many frames.
fn tone(frames: usize) -> Vec<i16> {
    (0..frames * 160).map(|i| (9_000.0 * (i as f64 * std::f64::consts::TAU / 16.0).sin()) as i16).collect()
}

fn is_loud(pcm: &[i16]) -> bool {
    pcm.iter().any(|s| s.unsigned_abs() > 4_000)
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
