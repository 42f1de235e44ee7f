//! The document's own file, the shipped file, and what is told about wrong ones.

use proptest::prelude::*;

use super::*;
use crate::ai::router::candidates::{AuthStyle, Capability, Kind};
use crate::ai::router::residency::Residency;

/// "Routing Configuration" of the communications engine's document, as it stands there.
const DOCUMENT: &str = r#"languages:
  ml:  # Malayalam
    dialects:
      travancore:
        priority_providers: ["proprietary_ml", "ai4bharat", "generic_cloud"]
      malabar:
        priority_providers: ["proprietary_ml", "ai4bharat", "generic_cloud"]

providers:
  proprietary_ml:
    models:
      malayalam_v1:
        capabilities: ["conversational_ai", "stt", "tts"]
        languages: ["ml"]
        cost_per_minute: 0.02
        accuracy_score: 0.92

routing_rules:
  kerala_priority:
    condition: "region == 'kerala' and language == 'ml'"
    priority_providers: ["proprietary_ml", "ai4bharat"]
    min_confidence: 0.80
"#;

#[test]
fn the_documents_file_loads_as_it_stands() {
    let (table, remarks) = Table::from_text(DOCUMENT).unwrap();
    let model = table.named("proprietary_ml/malayalam_v1").unwrap();
    assert_eq!(model.capabilities, [Capability::ConversationalAi, Capability::Stt, Capability::Tts]);
    assert_eq!(model.languages, [Lang::Ml]);
    assert_eq!((model.price.millipaise_per_minute, model.accuracy), (2_000, Some(0.92)));
    assert_eq!((table.candidates().len(), table.rules().len()), (4, 1));
    assert!((table.rules()[0].min_confidence - 0.8).abs() < f64::EPSILON);
    let told: Vec<String> = remarks.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 7, "{told:#?}");
    for wanted in [
        "routing.yaml:5: `ai4bharat` is not defined",
        "routing.yaml:5: `generic_cloud` is not",
        "routing.yaml:10: `proprietary_ml` has no base_url",
        "no `residency`",
    ] {
        assert!(told.iter().any(|line| line.contains(wanted)), "{wanted} in {told:#?}");
    }
}

#[test]
fn the_shipped_file_and_its_example_load() {
    let shipped = include_str!("../../../config/routing.yaml");
    let (table, remarks) = Table::from_text(shipped).unwrap();
    assert_eq!(table.candidates().len(), 3);
    assert!(table.candidates().iter().all(|c| c.provider.residency == Residency::OnBox));
    assert_eq!(table.residency(), &Policies::default());
    assert!(remarks.is_empty(), "{remarks:?}");

    // Lines of the example begin with "#| ".
    let example: Vec<&str> = shipped.lines().map(|line| line.strip_prefix("#| ").unwrap_or(line)).collect();
    let (table, remarks) = Table::from_text(&example.join("\n")).unwrap();
    assert!(table.candidates().len() > 12, "{}", table.candidates().len());
    assert!(!table.rules().is_empty());
    let told: Vec<String> = remarks.iter().map(ToString::to_string).collect();
    assert!(told.iter().all(|line| line.contains("no price")), "{told:#?}");
}

#[test]
fn an_adapter_learns_everything_from_its_candidate() {
    let text = r"
providers:
  sarvam:
    residency: india
    secret: sarvam_api_key
    rate_limit: {per_minute: 60}
    concurrency: 20
    deadlines_ms: {stt: 1500, tts_first_audio: 900}
    models:
      saaras:v3:
        capabilities: [stt]
        options: {realtime: true, body: {mode: transcribe, temperature: ~}}
      bulbul:v3:
        capabilities: [tts]
        voices: {hi-IN: ritu, ml: anu}
  cluster:
    kind: openai_compatible
    base_url: http://127.0.0.1:8000/v1
    models:
      meta-llama/Llama-3.3-70B:
        capabilities: [llm]
        languages: [en, hi-IN]
  wall:
    kind: generic
    base_url: https://speech.example.in/api
    residency: india
    secret: wall_key
    auth: {style: query, name: key}
    models:
      one: {capabilities: [stt], price: {paise_per_minute: 12.5}, tier: gold}
  aws:
    kind: bedrock
    base_url: https://bedrock-runtime.ap-south-1.amazonaws.com
    residency: india
    secret: aws_secret_key
    auth: {style: sigv4, region: ap-south-1, access_key: AKIDEXAMPLE}
    models:
      m: {capabilities: [llm], cost_per_minute: 1}
languages:
  ml-IN:
    priority_providers: [sarvam/saaras:v3, cluster/meta-llama/Llama-3.3-70B, local]
";
    let (table, _) = Table::from_text(text).unwrap();
    let stt = table.named("sarvam/saaras:v3").unwrap();
    assert_eq!((stt.provider.kind, stt.provider.residency), (Kind::Sarvam, Residency::India));
    assert_eq!(stt.provider.base_url.as_ref().map(Url::as_str), Some("https://api.sarvam.ai/"));
    assert_eq!(stt.provider.secret.as_deref(), Some("sarvam_api_key"));
    assert_eq!(
        (stt.provider.auth.style, stt.provider.auth.name.as_deref()),
        (AuthStyle::Header, Some("api-subscription-key"))
    );
    assert_eq!(stt.provider.deadlines.stt, Duration::from_millis(1_500));
    assert_eq!(stt.provider.rate_limit.map(|r| (r.per_minute, r.burst)), Some((60, 10)));
    assert_eq!(stt.provider.concurrency, Some(20));
    assert_eq!(
        serde_json::Value::Object(stt.options.clone()).to_string(),
        r#"{"body":{"mode":"transcribe","temperature":null},"realtime":true}"#
    );
    assert_eq!(stt.price.millipaise_per_minute, 50_000);
    let tts = table.named("sarvam/bulbul:v3").unwrap();
    assert_eq!(tts.voices, [(Lang::Hi, "ritu".to_owned()), (Lang::Ml, "anu".to_owned())].into());
    let llm = table.named("cluster/meta-llama/Llama-3.3-70B").unwrap();
    assert_eq!((llm.provider.residency, llm.provider.auth.style), (Residency::OnBox, AuthStyle::None));
    assert_eq!(llm.languages, [Lang::En, Lang::Hi]);
    let wall = table.named("wall/one").unwrap();
    assert_eq!((wall.price.millipaise_per_minute, wall.tier.as_deref()), (12_500, Some("gold")));
    assert_eq!((wall.provider.auth.style, wall.provider.auth.name.as_deref()), (AuthStyle::Query, Some("key")));
    let aws = table.named("aws/m").unwrap();
    assert_eq!(
        (aws.provider.auth.style, aws.provider.auth.access_key.as_deref()),
        (AuthStyle::SigV4, Some("AKIDEXAMPLE"))
    );
    assert_eq!(aws.price.millipaise_per_minute, 100_000);
}

/// A file around one provider `p` that is right but for what `model` or `provider` add.
fn with(provider: &str, model: &str) -> String {
    format!(
        "residency: {{default: any}}\nproviders:\n  p:\n    kind: openai\n    base_url: https://api.example.in/v1\n    \
         secret: p_key\n{provider}    models:\n      m:\n        capabilities: [stt]\n{model}"
    )
}

fn rule(condition: &str) -> String {
    format!(
        "residency: {{default: any}}\nrouting_rules:\n  r:\n    condition: \"{condition}\"\n    priority_providers: [local]\n"
    )
}

#[test]
fn each_fault_is_told_once_with_its_line_and_a_way_out() {
    let india = "    residency: india\n";
    // Text of the file, the line, parts of the message.
    let cases: Vec<(String, usize, &[&str])> = vec![
        (String::new(), 1, &["is empty", "order: local_first"]),
        ("# nothing\n\n".into(), 1, &["is empty"]),
        ("- a\n".into(), 1, &["is no section"]),
        ("order: local_first\n\thedge: true\n".into(), 2, &["tab", "spaces"]),
        ("order: [local_first\nhedge: true\n".into(), 2, &["not valid YAML"]),
        ("order: local_first\norder: cloud_first\n".into(), 2, &["`order`", "second time"]),
        ("order: local_first\n---\norder: cloud_first\n".into(), 3, &["second document"]),
        ("a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d]\n".into(), 4, &["too large"]),
        (format!("a: {}", "[".repeat(400)), 1, &["too large"]),
        (format!("order: local_first\n# {}\n", "x".repeat(1 << 20)), 1, &["bytes", "at most"]),
        ("provider: {}\n".into(), 1, &["unknown key `provider`", "write `providers`"]),
        ("orders: local_first\n".into(), 1, &["unknown key `orders`", "write `order`"]),
        ("residency: {default: any}\norder: locl_first\n".into(), 2, &["\"locl_first\"", "write `local_first`"]),
        ("residency: {default: india}\n".into(), 1, &["residency.default", "write `india_only`"]),
        ("residency:\n  tenants:\n    acme: everything\n".into(), 3, &["residency.tenants.acme", "local_only, india_only, any"]),
        ("residency: local_only\n".into(), 1, &["is a section", "indented"]),
        ("hedge: maybe\n".into(), 1, &["`hedge`", "true or false"]),
        ("hedge:\n".into(), 1, &["`hedge` has no value"]),
        ("budgets:\n  acme: {paise_per_day: -1}\n".into(), 2, &["-1", "0 or more"]),
        ("budgets:\n  acme: {}\n".into(), 2, &["paise_per_day` is missing"]),
        ("offline: {interval_seconds: 0}\n".into(), 1, &["from 1 to 3600"]),
        ("offline:\n  probes: [ftp://x]\n".into(), 2, &["no address"]),
        ("languages:\n  xx: {priority_providers: [local]}\n".into(), 2, &["no language of the box", "ml"]),
        ("languages:\n  ml: {priority_providers: [local]}\n  ml-IN: {priority_providers: [local]}\n".into(), 3, &["second time"]),
        ("languages:\n  ml:\n    dialects:\n      malabr: {priority_providers: [local]}\n".into(), 4, &["write `malabar`"]),
        ("languages:\n  hi:\n    dialects:\n      malabar: {priority_providers: [local]}\n".into(), 4, &["no dialects of hi"]),
        ("languages:\n  ml: {priority_providers: [locl]}\n".into(), 2, &["`locl`", "write `local`"]),
        ("languages:\n  ml:\n    priority_providers:\n      - local\n      - nobody_known\n".into(), 5, &["`nobody_known`", "define it under providers"]),
        ("languages:\n  ml: {priority_providers: [openia]}\n".into(), 2, &["write `openai`"]),
        ("languages:\n  ml: {priority_providers: [local/wisper]}\n".into(), 2, &["write `local/whisper`"]),
        ("languages:\n  ml: {priority_providers: [local, local]}\n".into(), 2, &["twice"]),
        ("languages:\n  ml: {priority_providers: []}\n".into(), 2, &["is empty"]),
        ("languages:\n  ml: {priority_providers: local}\n".into(), 2, &["no list", "square brackets"]),
        ("languages:\n  ml: {priority_providers: [1]}\n".into(), 2, &["no name"]),
        ("providers:\n  local: {models: {m: {capabilities: [stt]}}}\n".into(), 2, &["always there"]),
        ("providers:\n  a b: {models: {m: {capabilities: [stt]}}}\n".into(), 2, &["provider name"]),
        ("providers:\n  x: {models: {}}\n".into(), 2, &["`providers.x.models` is empty"]),
        (with("", ""), 3, &["`providers.p.residency` is missing", "on_box, india or abroad"]),
        (with("    residency: on_box\n", ""), 7, &["on_box", "on the internet"]),
        (with("    residency: bharat\n", ""), 7, &["bharat", "one of on_box, india, abroad"]),
        (with(&format!("{india}    regon: x\n"), ""), 8, &["unknown key `providers.p.regon`"]),
        (with(&format!("{india}    api_key: sk-live-4242\n"), ""), 8, &["credential", "secret: p_api_key"]),
        (with(&format!("{india}    rate_limit: {{burst: 3}}\n"), ""), 8, &["per_minute` is missing"]),
        (with(&format!("{india}    concurrency: 0\n"), ""), 8, &["from 1 to 10000"]),
        (with(&format!("{india}    deadlines_ms: {{stt: 5}}\n"), ""), 8, &["deadlines_ms.stt", "from 20 to 60000"]),
        (with(&format!("{india}    auth: {{style: berer}}\n"), ""), 8, &["write `bearer`"]),
        (with(&format!("{india}    auth: {{style: header}}\n"), ""), 8, &["auth.name` is missing", "x-api-key"]),
        (with(&format!("{india}    auth: {{style: sigv4, access_key: A}}\n"), ""), 8, &["auth.region` is missing"]),
        (with(india, "        capabilites: [tts]\n"), 11, &["unknown key", "capabilities"]),
        (with(india, "        languages: [ml, fr]\n"), 11, &["\"fr\"", "no language of the box"]),
        (with(india, "        languages: []\n"), 11, &["is empty"]),
        (with(india, "        cost_per_minute: -0.1\n"), 11, &["-0.1", "from 0"]),
        (with(india, "        cost_per_minute: cheap\n"), 11, &["is a text", "a number"]),
        (with(india, "        cost_per_minute: 1\n        price: {paise_per_minute: 2}\n"), 12, &["given twice"]),
        (with(india, "        accuracy_score: 1.2\n"), 11, &["1.2", "from 0 to 1"]),
        (with(india, "        accuracy_score: .nan\n"), 11, &["not valid YAML"]),
        (with(india, "        voices: {hi-IN: 3}\n"), 11, &["no name of a voice"]),
        (with(india, "        options: {api_key: 4242424242}\n"), 11, &["credential"]),
        (with(india, "").replace("[stt]", "[sst]"), 10, &["\"sst\"", "write `stt`"]),
        (with(india, "").replace("[stt]", "stt"), 10, &["no list"]),
        (with(india, "").replace("        capabilities: [stt]\n", "        tier: x\n"), 9, &["capabilities` is missing"]),
        (with(india, "").replace("kind: openai", "kind: anthropic"), 10, &["does not do"]),
        (with(india, "").replace("kind: openai", "kind: opnai"), 4, &["write `openai`"]),
        (with(india, "").replace("    kind: openai\n", ""), 3, &["kind` is missing", "deepgram"]),
        (with(india, "").replace("    secret: p_key\n", ""), 3, &["secret` is missing", "p_api_key"]),
        (with(india, "").replace("p_key", "sk-live-4242424242424242"), 6, &["looks like the key itself"]),
        (with(india, "").replace("https://api", "http://api"), 5, &["in the clear", "https://"]),
        (with(india, "").replace("https://api", "https://me:4242@api"), 5, &["password"]),
        (with(india, "").replace("https://api.example.in/v1", "api.example.in"), 5, &["no address"]),
        (rule("region = 'kerala'"), 4, &["cannot be read"]),
        (rule("regoin == 'kerala'"), 4, &["`regoin`", "write `region`"]),
        (rule("hour == 'nine'"), 4, &["hour (a whole number)", "'nine' (a text)"]),
        (rule("region == 'kerala' or hour > 'x'"), 4, &["compares hour"]),
        (rule("hour"), 4, &["gives a whole number"]),
        (rule("language == 'malayalam'"), 4, &["write 'ml'"]),
        (rule("region == 'Kerala'"), 4, &["write 'kerala'"]),
        (rule("[1, 2].all(x, x > 0)"), 4, &["loops"]),
        (rule(""), 4, &["is empty"]),
        (rule(&"(".repeat(200)), 4, &["nests"]),
        (rule(&"hour == 1 or ".repeat(60)), 4, &["characters"]),
        ("routing_rules:\n  r: {priority_providers: [local]}\n".into(), 2, &["condition` is missing"]),
        ("routing_rules:\n  r: {condition: offline}\n".into(), 2, &["priority_providers` is missing"]),
        ("routing_rules:\n  r: {condition: offline, priority_providers: [local], min_confidence: 80}\n".into(), 2, &["80", "from 0 to 1"]),
    ];
    assert!(cases.len() >= 30);
    let mut wrong = Vec::new();
    for (text, line, parts) in &cases {
        let shown: String = text.chars().take(300).collect();
        let Err(error) = Table::from_text(text) else {
            wrong.push(format!("accepted:\n{shown}"));
            continue;
        };
        let told = error.to_string();
        let is_told = error.problems.len() == 1
            && error.problems[0].at.line == Some(*line)
            && parts.iter().all(|part| told.contains(part))
            && !told.contains('\n')
            && !told.contains("4242");
        if !is_told {
            wrong.push(format!("line {line} {parts:?}, but {told}\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn several_faults_are_told_together_in_the_order_of_the_file() {
    let text = "hedge: 3\nlanguages:\n  xx: {}\nproviders:\n  sarvam: {models: {m: {capabilities: [stt]}}}\n";
    let error = Table::from_text(text).map(|_| ()).unwrap_err();
    let lines: Vec<_> = error.problems.iter().filter_map(|p| p.at.line).collect();
    assert_eq!(lines, [1, 3, 5, 5]);
}

#[test]
fn what_is_allowed_but_odd_is_remarked() {
    let cases = [
        ("residency: {default: local_only, tenants: {a: any}}\n", "is stricter and wins"),
        (
            "providers:\n  openai:\n    base_url: https://api.openai.com/v1\n    residency: india\n    secret: openai_key\n    models: {m: {capabilities: [llm], cost_per_minute: 1}}\n",
            "answer from abroad",
        ),
        (
            "providers:\n  bedrock:\n    base_url: https://bedrock-runtime.ap-south-1.amazonaws.com\n    residency: india\n    secret: aws_key\n    models: {global.m: {capabilities: [llm], cost_per_minute: 1}}\n",
            "another country",
        ),
        (
            "providers:\n  openai:\n    base_url: https://api.openai.com/v1\n    residency: abroad\n    secret: openai_key\n    models: {m: {capabilities: [llm]}}\n",
            "no price",
        ),
        ("hedge: true\n", "local_only"),
    ];
    for (text, part) in cases {
        let (_, remarks) = Table::from_text(text).unwrap();
        assert!(remarks.iter().any(|remark| remark.message.contains(part)), "{part}: {remarks:?}");
    }
}

#[test]
fn files_are_read_from_disk_with_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.yaml");
    assert!(Table::load(&path).unwrap_err().to_string().contains("cannot be read"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(Table::load(&path).unwrap_err().to_string().contains("UTF-8"));
    std::fs::write(&path, "x".repeat(2 << 20)).unwrap();
    assert!(Table::load(&path).unwrap_err().to_string().contains("at most"));
    std::fs::write(&path, "hedge: 3\n").unwrap();
    assert!(Table::load(&path).unwrap_err().to_string().contains("r.yaml:1: `hedge`"));
    std::fs::write(&path, "hedge: true\n").unwrap();
    assert!(Table::load(&path).unwrap().0.hedge());
}

#[test]
fn names_of_credentials_are_told_from_keys() {
    for name in ["sarvam_api_key", "SARVAM_API_KEY", "p.key", "aws-secret-2", "key1"] {
        assert!(super::super::sign::is_credential_name(name), "{name}");
    }
    for key in [
        "sk-proj-abc",
        "",
        "9f86d081884c7d659a2feaa0c55ad015",
        "AKIAIOSFODNN7EXAMPLE",
        "a b",
        "wJalrXUtnFEMI/K7MDENG",
        "xai_7f3c2b9a11d0",
    ] {
        assert!(!super::super::sign::is_credential_name(key), "{key}");
    }
}

proptest! {
    #[test]
    fn a_broken_document_is_read_or_refused_with_lines(cut in 0_usize..700, put in "[a-z\\-:\\[\\]{}'\" \n0-9]{0,12}", len in 0_usize..20) {
        let at = |i: usize| DOCUMENT.floor_char_boundary(i.min(DOCUMENT.len()));
        let text = format!("{}{put}{}", &DOCUMENT[..at(cut)], &DOCUMENT[at(cut + len).max(at(cut))..]);
        if let Err(error) = Table::from_text(&text) {
            prop_assert!(!error.problems.is_empty());
            for problem in &error.problems {
                prop_assert!(problem.at.line.is_some_and(|line| line >= 1 && line <= text.lines().count().max(1)), "{problem}");
                prop_assert!(!problem.to_string().contains('\n'));
            }
        }
    }
}
