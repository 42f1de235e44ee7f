//! Ten thousand strangers, broken offers and giant messages, over every transport: each is refused clearly
//! and counted, and nothing of them stays. `VAANI_REFUSALS` says how many of each kind come.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use vaani::telephony::far::Heard;
use vaani::telephony::signature::{Algorithm, sign};

use crate::support::{Daemon, root};

/// Sixteen kinds make ten thousand of these.
const OF_EACH: usize = 640;
const AT_ONCE: usize = 256;
/// What the second half may add to the memory that the first half has needed, in KiB.
const SLACK_KIB: u64 = 4 * 1024;
const TOKEN: &str = "a-token-of-the-house";

/// What a stranger sends, and how it ends for them.
struct Kind {
    name: &'static str,
    to: SocketAddr,
    sends: Vec<u8>,
    /// What the answer begins with; empty: the connection is closed, whatever was said before.
    answer: &'static str,
}

#[tokio::test]
async fn ten_thousand_refusals_leave_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (audiosocket, event_socket) = (free(), free());
    let (audio, events) = (audiosocket.to_string(), event_socket.to_string());
    let settings = [
        ("VAANI_EXOTEL__USER", "exotel"),
        ("VAANI_EXOTEL__PASSWORD", "long-and-random"),
        ("VAANI_ASTERISK__TOKEN", TOKEN),
        ("VAANI_ASTERISK__AUDIOSOCKET_LISTEN", audio.as_str()),
        ("VAANI_FREESWITCH__TOKEN", TOKEN),
        ("VAANI_FREESWITCH__NETWORKS", "127.0.0.0/8"),
        ("VAANI_FREESWITCH__OUTBOUND_LISTEN", events.as_str()),
        ("VAANI_WEBRTC__ENABLED", "true"),
        ("VAANI_HTTP__TLS_LISTEN", "127.0.0.1:0"),
        ("VAANI_AUTH__LIMITS__ADDRESS_PER_SECOND", "100000"),
        ("VAANI_AUTH__LIMITS__ADDRESS_BURST", "100000"),
        ("VAANI_AUTH__LIMITS__KEY_PER_SECOND", "100000"),
        ("VAANI_AUTH__LIMITS__KEY_BURST", "100000"),
    ];
    let daemon = Daemon::start(state.path(), &root().join("config"), false, &settings).await;
    let kinds = kinds(&daemon, audiosocket, event_socket);
    let wanted = std::env::var("VAANI_REFUSALS").ok().and_then(|text| text.parse().ok()).unwrap_or(OF_EACH);

    // The first half brings the heap to its height; what the second adds has been left behind.
    let wanted = usize::div_ceil(wanted, 2);
    everybody(&kinds, wanted).await;
    sleep(Duration::from_secs(2)).await;
    let (descriptors, kib) = (daemon.descriptors(), daemon.resident_kib());
    let before = counted(&daemon).await;
    everybody(&kinds, wanted).await;

    for _ in 0..200 {
        if daemon.descriptors() <= descriptors + 2 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let after = counted(&daemon).await;
    let told = |name: &str| after.get(name).unwrap_or(&0) - before.get(name).unwrap_or(&0);
    let counters = [
        ("twilio_refused_signatures_total", 2),
        ("twilio_refused_streams_total", 2),
        ("exotel_refused_requests_total", 1),
        ("asterisk_refused_peers_total", 1),
        ("audiosocket_refused_peers_total", 1),
        ("freeswitch_refused_peers_total", 1),
        ("webrtc_refused_offers_total", 3),
    ];
    for (name, kinds) in counters {
        let least = kinds * wanted as u64;
        assert!(told(name) >= least, "{name} counts {}, {least} were refused: {after:#?}", told(name));
    }
    assert!(
        daemon.descriptors() <= descriptors + 2,
        "{} descriptors before, {} after",
        descriptors,
        daemon.descriptors()
    );
    let grown = daemon.resident_kib().saturating_sub(kib);
    assert!(grown <= SLACK_KIB, "{grown} KiB grown over {kib} by {} refusals", wanted * kinds.len());
    assert_eq!(daemon.health().await["live_calls"], 0);

    // And whoever may call is taken.
    let mut options = daemon.call();
    "/voice/incoming?agent=echo".clone_into(&mut options.path);
    let mut call = daemon.dial(options).await.unwrap();
    call.caller().say(vec![9_000; 4_000]).await.unwrap();
    assert!(matches!(call.hear().await, Some(Heard::Frame(_))));
    call.hang_up().await.unwrap();
    daemon.ended(call.carrier_call()).await;
    daemon.stop().await;
}

fn kinds(daemon: &Daemon, audiosocket: SocketAddr, event_socket: SocketAddr) -> Vec<Kind> {
    let options = daemon.call();
    let http: SocketAddr =
        options.base_url.webhook("").trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    let upgrade = |path: &str, header: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
        )
    };
    let post = |path: &str, header: &str, body: &str| {
        let length = body.len();
        format!("POST {path} HTTP/1.1\r\nHost: {http}\r\nContent-Length: {length}\r\n{header}\r\n{body}").into_bytes()
    };
    let signature = sign(&options.auth_token, Algorithm::HmacSha1, &options.base_url.socket("/media-stream"), &[]);
    let signed = upgrade("/media-stream", &format!("X-Twilio-Signature: {signature}\r\n"));
    let login = "Authorization: Basic ZXhvdGVsOmxvbmctYW5kLXJhbmRvbQ==\r\n";
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let (name, ours) = daemon.api().authorization();
    let may_call = format!("{name}: {ours}\r\nContent-Type: application/sdp\r\n");
    let video_only = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:96 L16/44100/2\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\na=rtcp-mux\r\n\
        a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n";
    let then = |opening: String, message: &str| [opening.into_bytes(), masked(message)].concat();
    let start = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","accountSid":"AC1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"never given"}}}"#;
    let giant = "x".repeat(200_000);
    let kind = |name, to, sends: Vec<u8>, answer| Kind { name, to, sends, answer };
    vec![
        kind("twilio, unsigned stream", http, upgrade("/media-stream", "").into_bytes(), "HTTP/1.1 403"),
        kind("twilio, unsigned webhook", http, post("/voice/incoming", "", ""), "HTTP/1.1 403"),
        kind("twilio, a token never given", http, then(signed.clone(), start), ""),
        kind("twilio, a giant message", http, then(signed, &giant), ""),
        kind("exotel, a stranger", http, upgrade("/ws/voicebot/echo", "").into_bytes(), "HTTP/1.1 403"),
        kind("exotel, a giant message", http, then(upgrade("/ws/voicebot/echo", login), &giant), ""),
        kind("asterisk, a stranger", http, upgrade("/ast/media", "").into_bytes(), "HTTP/1.1 401"),
        kind("asterisk, a giant message", http, then(upgrade("/ast/media", &bearer), &giant), ""),
        kind("freeswitch, a stranger", http, upgrade("/fs/fork", "").into_bytes(), "HTTP/1.1 401"),
        kind("audiosocket, nobody's id", audiosocket, [vec![1, 0, 16], vec![7; 16]].concat(), ""),
        kind("audiosocket, nonsense", audiosocket, vec![0xAB; 600], ""),
        kind("event socket, nonsense", event_socket, b"GET / HTTP/1.1\r\n\r\n".repeat(40), ""),
        kind(
            "webrtc, a stranger",
            http,
            post("/webrtc/echo", "Content-Type: application/sdp\r\n", "v=0\r\n"),
            "HTTP/1.1 401",
        ),
        kind("webrtc, no SDP", http, post("/webrtc/echo", &may_call, "hello"), "HTTP/1.1 400"),
        kind("webrtc, no codec in common", http, post("/webrtc/echo", &may_call, video_only), "HTTP/1.1 406"),
        kind("webrtc, a giant offer", http, post("/webrtc/echo", &may_call, &giant), "HTTP/1.1 413"),
    ]
}

/// A client's text message (RFC 6455, 5.2), masked with zeros.
fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend((text.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}

async fn everybody(kinds: &[Kind], of_each: usize) {
    let attempts = (0..of_each).flat_map(|_| kinds).map(attempt);
    stream::iter(attempts).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

async fn attempt(kind: &Kind) {
    let ended = timeout(Duration::from_secs(30), async {
        let mut socket = TcpStream::connect(kind.to).await.unwrap();
        // Who is refused may be hung up on while still talking.
        let _ = socket.write_all(&kind.sends).await;
        let mut heard = Vec::new();
        let mut piece = [0; 2_048];
        loop {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => heard.extend_from_slice(&piece[..read]),
            }
            // A closing frame (RFC 6455, 5.5.1) after the upgrade's answer; whoever is refused just goes.
            if heard.windows(5).any(|w| w[..4] == *b"\r\n\r\n" && w[4] == 0x88) {
                break;
            }
            if !kind.answer.is_empty() && heard.len() >= kind.answer.len() {
                break;
            }
        }
        heard
    });
    let heard = ended.await.unwrap_or_else(|_| panic!("{}: neither answered nor closed", kind.name));
    let text = String::from_utf8_lossy(&heard);
    assert!(text.starts_with(kind.answer), "{}: {text}", kind.name);
}

/// Counters of /metrics by name, their labels summed.
async fn counted(daemon: &Daemon) -> HashMap<String, u64> {
    let text = daemon.get("/metrics").await.unwrap().text().await.unwrap();
    let mut sums = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let name = name.split('{').next().unwrap_or_default();
        *sums.entry(name.to_owned()).or_default() += value.parse::<f64>().unwrap_or(0.0) as u64;
    }
    sums
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
