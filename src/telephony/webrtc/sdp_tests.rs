use proptest::prelude::*;

use super::*;

/// As Chromium writes it, shortened.
const OFFER: &str = "v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS 7a3c\r
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=candidate:1 1 udp 2113937151 3f2a0f6e-0f0a-4a7d-a1f5-1c0e7cf1a2b3.local 51234 typ host generation 0\r
a=candidate:2 1 udp 2113937151 192.168.1.20 51235 typ host generation 0\r
a=candidate:3 1 tcp 1518280447 192.168.1.20 9 typ host tcptype active\r
a=ice-ufrag:EsAw\r
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r
a=ice-options:trickle\r
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r
a=setup:actpass\r
a=mid:0\r
a=sendrecv\r
a=rtcp-mux\r
a=rtpmap:111 opus/48000/2\r
a=rtcp-fb:111 transport-cc\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtpmap:63 red/48000/2\r
a=rtpmap:9 G722/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:13 CN/8000\r
a=rtpmap:110 telephone-event/48000\r
a=rtpmap:126 telephone-event/8000\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
c=IN IP4 0.0.0.0\r
a=ice-ufrag:EsAw\r
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r
a=setup:actpass\r
a=mid:1\r
a=sctp-port:5000\r
";

fn without(what: &str) -> String {
    assert!(OFFER.contains(what), "{what}");
    OFFER.replace(what, "")
}

#[test]
fn a_browsers_offer_is_understood() {
    let offer = Offer::read(OFFER).unwrap();
    assert_eq!((offer.codec, offer.keys_clock), (Codec::Opus, Some(48_000)));
    assert_eq!(offer.ufrag, "EsAw");
    assert!(offer.sdp.contains("192.168.1.20 51235"), "the candidate with an address stays");
    assert!(!offer.sdp.contains(".local") && !offer.sdp.contains(" tcp "), "{}", offer.sdp);
    let lines = Offer::read(&OFFER.replace('\r', "")).unwrap();
    assert_eq!(lines.sdp, offer.sdp, "bare line ends do");
}

#[test]
fn without_opus_it_is_g711() {
    let pcmu = OFFER.replace("opus/48000/2", "speex/16000");
    let offer = Offer::read(&pcmu).unwrap();
    assert_eq!((offer.codec, offer.keys_clock), (Codec::Pcmu, Some(8_000)));
    // A number of its own needs no map.
    let unmapped = pcmu.replace("a=rtpmap:0 PCMU/8000\r\n", "");
    assert_eq!(Offer::read(&unmapped).unwrap().codec, Codec::Pcmu);
    let pcma = pcmu.replace("111 63 9 0 8", "111 63 9 8").replace("telephone-event", "other");
    let offer = Offer::read(&pcma).unwrap();
    assert_eq!((offer.codec, offer.keys_clock), (Codec::Pcma, None));
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_reason() {
    let malformed = |text: &str, word: &str| match Offer::read(text) {
        Err(Unfit::Malformed(what)) => assert!(what.contains(word), "{what:?} of {word}"),
        other => panic!("{word}: {other:?}"),
    };
    for text in ["", "hello", "v=1\r\n", "{\"sdp\": \"v=0\"}", "\u{0}\u{0}"] {
        malformed(text, "v=0");
    }
    malformed("v=0\r\n", "no section");
    malformed("v=0\r\nthis is not SDP\r\nm=audio 9 X 0\r\n", "form");
    malformed(&without("a=group:BUNDLE 0 1\r\n"), "bundle");
    malformed(&without("a=rtcp-mux\r\n"), "rtcp-mux");
    malformed(&OFFER.replace("a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", ""), "credentials");
    malformed(&OFFER.replace("P2uYro0UCOQ4zxjKXaWCBui1", "short"), "credentials");
    malformed(&OFFER.replace("sha-256", "sha-1"), "sha-256");
    malformed(&OFFER.replace("00:11:22", "00:11:2"), "sha-256");
    malformed(&OFFER.replace("setup:actpass", "setup:active"), "setup");
    malformed(&OFFER.replace("s=-\r\n", "s=-\r\na=ice-lite\r\n"), "ICE-lite");
    malformed(&OFFER.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126", "m=audio"), "m=");
    malformed(&format!("{OFFER}{}", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n".repeat(9)), "sections");
    malformed(&format!("{OFFER}{}", "a=x\r\n".repeat(3_000)), "lines");
    for none in [
        OFFER.replace("111 63 9 0 8 13 110 126", "63 9 13 110"),
        OFFER.replace("m=audio 9", "m=audio 0"),
        OFFER.replace("m=audio", "m=video"),
        OFFER.replace("a=sendrecv", "a=recvonly"),
        OFFER.replace("a=sendrecv", "a=inactive"),
    ] {
        assert_eq!(Offer::read(&none), Err(Unfit::NoCodec));
    }
}

#[test]
fn candidates_are_bounded() {
    let many = "a=candidate:9 1 udp 1 10.0.0.1 4000 typ host\r\n".repeat(500);
    let offer = Offer::read(&OFFER.replace("a=mid:0\r\n", &format!("a=mid:0\r\n{many}"))).unwrap();
    assert_eq!(offer.sdp.matches("a=candidate:").count(), limits::WEBRTC_CANDIDATES_MAX);
}

#[test]
fn our_answer_says_what_was_agreed() {
    let answer = OFFER.replace("111", "96");
    assert_eq!(Agreed::of(&answer, Codec::Opus), Some(Agreed { voice: 96, keys: Some(110) }));
    assert_eq!(Agreed::of(&answer, Codec::Pcma), Some(Agreed { voice: 8, keys: Some(126) }));
    assert_eq!(Agreed::of("v=0\r\n", Codec::Opus), None);
    assert_eq!(Agreed::of(&answer.replace("m=audio 9", "m=audio 0"), Codec::Opus), None);
}

#[test]
fn fragments_bring_candidates() {
    let text = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:audio\r\n\
        a=candidate:1 1 udp 2130706431 3f2a.local 51234 typ host\r\n\
        a=candidate:1 1 udp 2130706431 10.1.1.1 51234 typ host\r\na=end-of-candidates\r\n";
    let fragment = Fragment::read(text).unwrap();
    assert_eq!(fragment.ufrag.as_deref(), Some("EsAw"));
    let candidate = "candidate:1 1 udp 2130706431 10.1.1.1 51234 typ host".to_owned();
    assert_eq!(fragment.candidates, [(candidate, "audio".to_owned())]);
    assert_eq!(Fragment::read("").unwrap(), Fragment::default());
    assert!(Fragment::read("nonsense").is_err());
    assert!(Fragment::read("a=ice-ufrag:one1\na=ice-ufrag:two2").is_err());
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,400}") {
        let _ = Offer::read(&text);
        let _ = Fragment::read(&text);
        let _ = Agreed::of(&text, Codec::Opus);
    }

    /// Lines of a real offer, some missing, some twice, some damaged.
    #[test]
    fn a_damaged_offer_is_answered(
        fate in proptest::collection::vec((0_u8..12, 0_usize..60, any::<char>()), 40)
    ) {
        let mut text = String::new();
        for (line, (kind, at, with)) in OFFER.lines().zip(fate) {
            match kind {
                0 => {}
                1 => text.push_str(&format!("{line}\r\n{line}\r\n")),
                2 => {
                    let mut chars: Vec<char> = line.chars().collect();
                    if let Some(place) = chars.get_mut(at) {
                        *place = with;
                    }
                    text.extend(chars);
                    text.push_str("\r\n");
                }
                _ => text.push_str(&format!("{line}\r\n")),
            }
        }
        if let Ok(offer) = Offer::read(&text) {
            prop_assert!(Offer::read(&offer.sdp).is_ok(), "what passes once passes again");
        }
    }
}
