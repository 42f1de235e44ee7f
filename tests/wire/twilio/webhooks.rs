//! The HTTP side: who is believed, what the menu does, what refusals look like.

use vaani::base::Lang;
use vaani::base::event::{CallState, Direction};
use vaani::base::limits;
use vaani::base::secret::Secret;
use vaani::telephony::leg::Refusal;
use vaani::telephony::signature::{self, Algorithm};
use vaani::telephony::twilio::carrier::DialError;

use super::*;

#[tokio::test]
async fn a_webhook_without_a_valid_signature_starts_nothing() {
    let running = Setup::default().start().await;
    let form = running.form();
    let right =
        signature::sign(&Secret::new(TOKEN), Algorithm::HmacSha1, &running.public.webhook("/voice/incoming"), &form);
    let other_key =
        signature::sign(&Secret::new("x"), Algorithm::HmacSha1, &running.public.webhook("/voice/incoming"), &form);
    let mut changed = form.clone();
    changed[0].1 = "CA2".to_owned();
    for (path, form, signature) in [
        ("/voice/incoming", &form, None),
        ("/voice/incoming", &form, Some("")),
        ("/voice/incoming", &form, Some(other_key.as_str())),
        ("/voice/incoming", &changed, Some(right.as_str())),
        ("/voice/incoming?agent=x", &form, Some(right.as_str())),
        ("/voice/language-selected", &form, Some(right.as_str())),
        ("/webhook/twilio", &form, Some(right.as_str())),
        ("/voice/after-stream", &form, None),
        ("/api/calls/webhook/1", &form, None),
    ] {
        let (status, text) = running.post_signed(path, form, signature).await;
        assert_eq!(status, 403, "{path} {signature:?}: {text}");
    }
    assert_eq!((running.exchange.calls(), running.metrics.refused_signatures.get()), (0, 9));
    assert_eq!(running.post_signed("/voice/incoming", &form, Some(&right)).await.0, 200);

    let mut options = running.options();
    options.auth_token = Secret::new("not the token");
    let refused = running.dial(options).await.unwrap_err();
    assert!(matches!(refused, DialError::Status { status: 403, .. }), "{refused}");
}

#[tokio::test]
async fn the_old_token_holds_while_it_is_being_changed() {
    for (token_changing, token, taken) in [(true, OLD_TOKEN, true), (true, "other", false), (false, OLD_TOKEN, false)] {
        let mut running = Setup { token_changing, ..Setup::default() }.start().await;
        let mut options = running.options();
        options.auth_token = Secret::new(token);
        assert_eq!(running.dial(options).await.is_ok(), taken, "{token_changing} {token}");
        let (carrier, _leg) = running.call(running.options()).await;
        drop(carrier);
    }
}

#[tokio::test]
async fn a_box_without_a_token_says_so() {
    let running = Setup { configured: false, ..Setup::default() }.start().await;
    assert_eq!(running.post("/voice/incoming", &running.form()).await.0, 503);
    assert_eq!(running.socket_signed(None).await.err(), Some(503));
    assert_eq!(running.exchange.calls(), 0);
}

#[tokio::test]
async fn bodies_are_bounded_and_of_known_kinds() {
    let running = Setup::default().start().await;
    let mut form = running.form();
    form.push(("Body".to_owned(), "x".repeat(100_000)));
    assert_eq!(running.post("/voice/incoming", &form).await.0, 413);

    let post = || http().post(running.url.webhook("/voice/incoming"));
    let typed = |kind: &'static str| post().header("content-type", kind).body("CallSid=CA1");
    for kind in ["text/plain", "multipart/form-data", "", "application/json5"] {
        assert_eq!(answer(typed(kind)).await.0, 415, "{kind}");
    }
    assert_eq!(running.post("/voice/incoming", &[]).await.0, 400);
    for sid in ["", "CA1 2", &"C".repeat(65), "CA/1"] {
        let form = vec![("CallSid".to_owned(), sid.to_owned())];
        assert_eq!(running.post("/voice/incoming", &form).await.0, 400, "{sid}");
    }
    assert_eq!(running.exchange.calls(), 0);
}

#[tokio::test]
async fn webhooks_come_as_forms_queries_or_json() {
    let running = Setup::default().start().await;
    let key = Secret::new(TOKEN);

    let path = "/voice/incoming?CallSid=CA7&AccountSid=AC1&From=%2B919876543210&Direction=outbound-api";
    let signature = signature::sign(&key, Algorithm::HmacSha1, &running.public.webhook(path), &[]);
    let get = http().get(running.url.webhook(path)).header(signature::SIGNATURE_HEADER, &signature);
    let (status, twiml) = answer(get).await;
    assert!(status == 200 && twiml.contains("<Stream url=\"ws://"), "{twiml}");

    let body = r#"{"a":1,"b":"x y"}"#;
    let digest = "6636d05d410fb2fe93c0955e24c2fe3684e2413aab9a92e96f2b00b64ab2340b";
    let path = format!("/voice/after-stream?bodySHA256={digest}");
    let signature = signature::sign(&key, Algorithm::HmacSha1, &running.public.webhook(&path), &[]);
    let json = |body: &'static str| {
        http()
            .post(running.url.webhook(&path))
            .header("content-type", "application/json; charset=utf-8")
            .header(signature::SIGNATURE_HEADER, &signature)
            .body(body)
    };
    let (status, twiml) = answer(json(body)).await;
    assert!(status == 200 && twiml.contains("<Response><Hangup/></Response>"), "{twiml}");
    assert_eq!(answer(json(r#"{"a":2,"b":"x y"}"#)).await.0, 403);

    let announced = running.exchange.announced.lock().unwrap();
    assert_eq!(announced.len(), 1);
    assert_eq!(
        (announced[0].direction, announced[0].from.as_ref().unwrap().reveal()),
        (Direction::Outbound, "+919876543210")
    );
}

#[tokio::test]
async fn the_menu_offers_each_language_in_the_best_voice_there_is() {
    let running = Setup { languages: &[Lang::En, Lang::Hi, Lang::Ta, Lang::Or], ..Setup::default() }.start().await;
    let (_, menu) = running.post("/voice/incoming?agent=a%20b", &running.form()).await;
    let base = running.public.webhook("");
    let next = format!("{base}/voice/language-selected?attempt=1&amp;agent=a+b");
    assert_eq!(
        menu,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
             <Gather input=\"dtmf\" action=\"{next}\" method=\"POST\" timeout=\"6\" finishOnKey=\"\" numDigits=\"1\">\
             <Say language=\"en-IN\">language_menu en 1</Say>\
             <Play>{base}/voice/prompt/language_menu.hi-IN.2.wav</Play></Gather>\
             <Redirect method=\"POST\">{next}</Redirect></Response>"
        )
    );
    assert_eq!(running.exchange.announced.lock().unwrap()[0].agent.as_deref(), Some("a b"));

    for (name, expected) in [
        ("language_menu.hi-IN.2.wav", (200, "RIFF language_menu Some('2')")),
        ("language_confirmed.hi-IN.wav", (200, "RIFF language_confirmed None")),
        ("language_menu.ta-IN.3.wav", (404, "this prompt cannot be spoken here")),
        ("greeting.hi-IN.wav", (404, "no such prompt")),
    ] {
        let (status, text) = answer(http().get(running.url.webhook(&format!("/voice/prompt/{name}")))).await;
        assert_eq!((status, text.as_str()), expected, "{name}");
    }
}

#[tokio::test]
async fn a_key_chooses_and_silence_is_asked_once_more() {
    let running = Setup { languages: &Lang::ALL, ..Setup::default() }.start().await;
    let answer = async |query: &str, digits: Option<&str>| {
        let mut form = running.form();
        form.extend(digits.map(|digits| ("Digits".to_owned(), digits.to_owned())));
        running.post(&format!("/voice/language-selected{query}"), &form).await.1
    };
    for (place, key) in "1234567890*".chars().enumerate() {
        let twiml = answer("?attempt=1", Some(&key.to_string())).await;
        let lang = format!("<Parameter name=\"lang\" value=\"{}\"/>", Lang::ALL[place]);
        assert!(twiml.contains(&lang), "{key}: {twiml}");
    }
    let hindi = answer("", Some("2")).await;
    assert!(hindi.contains("<Response><Play>") && hindi.contains("language_confirmed.hi-IN.wav"), "{hindi}");
    for unclear in [None, Some(""), Some("#"), Some("12"), Some("é")] {
        let again = answer("?attempt=1", unclear).await;
        assert!(again.contains("<Gather") && again.contains("attempt=2"), "{unclear:?}: {again}");
        let on = answer("?attempt=2", unclear).await;
        assert!(on.contains("<Connect><Stream") && !on.contains("\"lang\""), "{unclear:?}: {on}");
    }
    assert_eq!(running.exchange.calls(), 1, "the same CallSid is the same call");
}

#[tokio::test]
async fn the_stream_is_offered_with_all_that_belongs_to_it() {
    let running = Setup { public: Some("https://voice.example.in"), ..Setup::default() }.start().await;
    let (_, twiml) = running.post("/webhook/twilio", &running.form()).await;
    for part in [
        "<Connect><Stream url=\"wss://voice.example.in/media-stream\" statusCallback=\"https://voice.example.in/api/calls/webhook/",
        "statusCallbackMethod=\"POST\"><Parameter name=\"token\" value=\"",
        "<Redirect method=\"POST\">https://voice.example.in/voice/after-stream?call=",
        "&amp;resumed=0</Redirect>",
    ] {
        assert!(twiml.contains(part), "{part} in {twiml}");
    }
}

#[tokio::test]
async fn a_stream_that_broke_is_offered_again_as_often_as_is_bearable() {
    let running = Setup::default().start().await;
    let (_, twiml) = running.post("/voice/incoming", &running.form()).await;
    let after = |twiml: &str| {
        let (_, rest) = twiml.split_once("<Redirect method=\"POST\">").expect("something follows the stream");
        let url = rest.split('<').next().unwrap().replace("&amp;", "&");
        url.strip_prefix(&running.public.webhook("")).unwrap().to_owned()
    };
    let mut next = after(&twiml);
    let hang_up = |twiml: &str| twiml.ends_with("<Response><Hangup/></Response>");
    assert!(hang_up(&running.post(&next, &running.form()).await.1), "a call that is over is not connected again");
    running.exchange.waits.lock().unwrap().push("CA1".to_owned());
    let other = vec![("CallSid".to_owned(), "CA2".to_owned())];
    assert!(hang_up(&running.post(&next, &other).await.1), "nor one that nobody knows");
    assert!(hang_up(&running.post("/voice/after-stream", &running.form()).await.1), "nor one without its name");
    let mut tokens = Vec::new();
    for resumed in 1..=limits::RESUMES_MAX {
        let (_, twiml) = running.post(&next, &running.form()).await;
        let pause = if resumed == 1 { String::new() } else { format!("<Pause length=\"{}\"/>", resumed - 1) };
        assert!(twiml.contains(&format!("<Response>{pause}<Connect><Stream url=\"ws://")), "{twiml}");
        assert!(twiml.contains(&format!("&amp;resumed={resumed}</Redirect>")), "{twiml}");
        let (_, rest) = twiml.split_once("name=\"token\" value=\"").expect("a token");
        tokens.push(rest.split('"').next().unwrap().to_owned());
        next = after(&twiml);
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), limits::RESUMES_MAX as usize, "each is good once");
    assert!(hang_up(&running.post(&next, &running.form()).await.1));
    assert_eq!(*running.exchange.states.lock().unwrap(), [("CA1".to_owned(), CallState::Completed)]);
    assert_eq!(running.exchange.announced.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn refused_calls_hear_a_busy_tone_or_an_apology() {
    let running = Setup::default().start().await;
    for (refusal, reason) in [(Refusal::Full, "busy"), (Refusal::Draining, "busy"), (Refusal::UnknownAgent, "rejected")]
    {
        *running.exchange.refuse.lock().unwrap() = Some(refusal);
        let refused = running.dial(running.options()).await.unwrap_err();
        assert!(matches!(&refused, DialError::Rejected { reason: r } if r == reason), "{refused}");
    }
    assert_eq!(running.metrics.refused_calls.get(), 3);

    let polite = Setup { languages: &[Lang::Hi], spoken_busy: true, ..Setup::default() }.start().await;
    *polite.exchange.refuse.lock().unwrap() = Some(Refusal::Full);
    let (_, twiml) = polite.post("/voice/incoming", &polite.form()).await;
    for part in [
        "/voice/prompt/busy_line.hi-IN.wav</Play>",
        "/voice/prompt/callback_offer.hi-IN.1.wav</Play></Gather><Hangup/>",
    ] {
        assert!(twiml.contains(part), "{part} in {twiml}");
    }
    // Whoever does not say from where hears the line only.
    let mut withheld = polite.form();
    withheld.iter_mut().filter(|(name, _)| name == "From").for_each(|(_, value)| "+266696687".clone_into(value));
    let (_, twiml) = polite.post("/voice/incoming", &withheld).await;
    assert!(twiml.contains("busy_line.hi-IN.wav</Play><Hangup/></Response>"), "{twiml}");

    let callback = "/voice/callback?lang=hi-IN";
    for (digit, disk_full, line) in [("1", false, "callback_noted"), ("1", true, "action_failed")] {
        polite.exchange.disk_full.store(disk_full, std::sync::atomic::Ordering::Relaxed);
        let mut form = polite.form();
        form.push(("Digits".to_owned(), digit.to_owned()));
        let (_, twiml) = polite.post(callback, &form).await;
        assert!(twiml.contains(&format!("/voice/prompt/{line}.hi-IN.wav</Play><Hangup/>")), "{twiml}");
    }
    let (_, twiml) = polite.post(callback, &polite.form()).await;
    assert!(twiml.ends_with("<Response><Hangup/></Response>"), "{twiml}");
    assert_eq!(polite.exchange.callbacks.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn status_callbacks_are_told_apart_from_calls() {
    let running = Setup::default().start().await;
    for (path, extra, expected) in [
        ("/webhook/twilio", vec![("CallStatus", "completed")], Some(CallState::Completed)),
        ("/webhook/twilio", vec![("CallStatus", "no-answer")], Some(CallState::NotPicked)),
        (
            "/webhook/twilio",
            vec![("CallStatus", "in-progress"), ("CallbackSource", "call-progress-events")],
            Some(CallState::InProgress),
        ),
        ("/webhook/twilio", vec![("StreamEvent", "stream-error"), ("StreamError", "x")], None),
        ("/api/calls/webhook/0190", vec![("CallStatus", "ringing")], Some(CallState::Ringing)),
        ("/api/calls/webhook/0190", vec![("CallStatus", "canceled")], Some(CallState::Failed)),
        ("/api/calls/webhook/0190", vec![("CallStatus", "dancing")], None),
        ("/api/calls/webhook/0190", vec![], None),
    ] {
        let mut form = vec![("CallSid".to_owned(), "CA1".to_owned())];
        form.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        assert_eq!(running.post(path, &form).await, (204, String::new()), "{form:?}");
        let states = std::mem::take(&mut *running.exchange.states.lock().unwrap());
        let expected: Vec<_> = expected.into_iter().map(|state| ("CA1".to_owned(), state)).collect();
        assert_eq!(states, expected, "{form:?}");
    }
    assert_eq!(running.exchange.calls(), 0);
}

#[tokio::test]
async fn upgrades_need_a_signature_that_holds() {
    let running = Setup::default().start().await;
    assert_eq!(running.socket_signed(None).await.err(), Some(403));
    assert_eq!(running.socket_signed(Some("wrong")).await.err(), Some(403));
    drop(running.socket().await);

    let open = Setup { require_upgrade_signature: false, ..Setup::default() }.start().await;
    assert!(open.socket_signed(None).await.is_ok());
    assert_eq!(open.socket_signed(Some("wrong")).await.err(), Some(403), "one that does not hold is always refused");

    let url = running.url.webhook("/media-stream");
    let signature =
        signature::sign(&Secret::new(TOKEN), Algorithm::HmacSha1, &running.public.socket("/media-stream"), &[]);
    let (status, _) = answer(http().get(&url).header(signature::SIGNATURE_HEADER, &signature)).await;
    assert!((400..500).contains(&status), "a plain GET is no upgrade: {status}");
}

/// `VAANI_SDKS` names the folder with the carrier's own library (`scripts/sdks`); without it nothing is
/// checked.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_sdk_signs_and_reads_as_we_do() {
    let Some(sdks) = std::env::var_os("VAANI_SDKS") else {
        eprintln!("skipped: VAANI_SDKS names no folder with the SDKs; `export VAANI_SDKS=$(scripts/sdks)`");
        return;
    };
    let running = Setup { languages: &[Lang::En, Lang::Hi, Lang::Or], ..Setup::default() }.start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/twilio/official_sdk.py");
    let out = tokio::process::Command::new("python3")
        .env("PYTHONPATH", sdks)
        .env("NO_PROXY", "127.0.0.1")
        .args([script, &running.public.webhook(""), TOKEN])
        .output()
        .await
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
