//! Bhashini (ULCA pipelines computed by Dhruva): recognition and voices of AI4Bharat and others.
//! Two steps: which service computes a task in a language is asked once and kept for five minutes;
//! then the service computes. There is no detection of languages and no streaming.
//!
//! Endpoint: base URL `https://meity-auth.ulcacontrib.org`, auth header `ulcaApiKey`, model the id of
//! the pipeline. Options read: `user_id`, `service_id` (instead of the one the pipeline offers first),
//! `body` (further fields of the task's `config`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use reqwest::Client;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::asker::Told;
use super::codes::BHASHINI;
use super::sound::{self, Pieces, STT_RATE, Speech};
use super::{Endpoint, http};
use crate::ai::stt::{Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::secret::Secret;
use crate::base::{Clock, Lang, Moment};

const AUDIO_MAX: Duration = Duration::from_secs(30);
const TEXT_MAX: usize = 2_000;
/// A plan is kept for this long.
const PLAN_KEPT: Duration = Duration::from_secs(300);
/// What the services speak at when nothing else is asked; the WAV header tells the truth.
const RATES: [u32; 4] = [8_000, 16_000, 22_050, 48_000];

pub fn stt(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Stt> {
    Arc::new(Ears(Arc::new(Desk::new("asr", endpoint, http, clock))))
}

pub fn tts(endpoint: Endpoint, http: Client, clock: Clock) -> Arc<dyn Tts> {
    Arc::new(Voice(Arc::new(Desk::new("tts", endpoint, http, clock))))
}

/// Who computes one task in one language.
#[derive(Clone, Debug)]
struct Plan {
    service: String,
    url: Url,
    header: HeaderName,
    key: Secret,
}

/// One task's plans, by language. Whoever needs a missing plan fetches it while others of the same
/// language wait.
struct Desk {
    task: &'static str,
    endpoint: Endpoint,
    http: Client,
    clock: Clock,
    plans: [Mutex<Option<(Moment, Plan)>>; Lang::ALL.len()],
}

impl Desk {
    fn new(task: &'static str, endpoint: Endpoint, http: Client, clock: Clock) -> Self {
        Self { task, endpoint, http, clock, plans: Default::default() }
    }

    async fn plan(&self, language: Lang) -> Result<Plan, Fault> {
        let mut kept = self.plans[language as usize].lock().await;
        if let Some((since, plan)) = &*kept
            && self.clock.now().since(*since) < PLAN_KEPT
        {
            return Ok(plan.clone());
        }
        let code = BHASHINI.wanted(language, &self.endpoint)?;
        let body = json!({
            "pipelineTasks": [{"taskType": self.task, "config": {"language": {"sourceLanguage": code}}}],
            "pipelineRequestConfig": {"pipelineId": self.endpoint.model},
        });
        let mut request = http::post(&self.http, &self.endpoint, "/ulca/apis/v0/model/getModelsPipeline").json(&body);
        if let Some(user) = self.endpoint.text("user_id") {
            request = request.header("userID", user);
        }
        let answer = http::json(http::send(request, &self.endpoint).await?, &self.endpoint).await?;
        let plan = plan(&answer, self.task, code, &self.endpoint)?;
        *kept = Some((self.clock.now(), plan.clone()));
        Ok(plan)
    }

    /// Computes; the first answer of the task. A plan that is no longer welcome is forgotten.
    async fn compute(&self, language: Lang, mut config: Map<String, Value>, input: Value) -> Result<Value, Fault> {
        let plan = self.plan(language).await?;
        config.insert("language".into(), json!({"sourceLanguage": BHASHINI.wanted(language, &self.endpoint)?}));
        config.insert("serviceId".into(), plan.service.into());
        self.endpoint.extend(&mut config);
        let body = json!({
            "pipelineTasks": [{"taskType": self.task, "config": config}],
            "inputData": input,
        });
        let mut key = HeaderValue::from_str(plan.key.expose())
            .map_err(|_| self.endpoint.fault(FaultKind::Broken, "the key of the pipeline is no header"))?;
        key.set_sensitive(true);
        let request = self.http.post(plan.url).header(plan.header, key).json(&body);
        let answer = match http::send(request, &self.endpoint).await {
            Ok(response) => http::json(response, &self.endpoint).await?,
            Err(fault) => {
                if fault.kind == FaultKind::Denied {
                    *self.plans[language as usize].lock().await = None;
                }
                return Err(fault);
            }
        };
        let tasks = answer.get("pipelineResponse").and_then(Value::as_array);
        tasks
            .and_then(|tasks| tasks.iter().find(|task| task.get("taskType").and_then(Value::as_str) == Some(self.task)))
            .cloned()
            .ok_or_else(|| self.endpoint.fault(FaultKind::Broken, "the answer does not hold the task"))
    }
}

/// Reads the answer of `getModelsPipeline`.
fn plan(answer: &Value, task: &str, code: &str, endpoint: &Endpoint) -> Result<Plan, Fault> {
    let broken = |what: &str| endpoint.fault(FaultKind::Broken, what);
    let empty = Vec::new();
    let tasks = answer.get("pipelineResponseConfig").and_then(Value::as_array).unwrap_or(&empty);
    let configs = tasks
        .iter()
        .filter(|entry| entry.get("taskType").and_then(Value::as_str) == Some(task))
        .filter_map(|entry| entry.get("config")?.as_array())
        .flatten();
    let offered = configs
        .filter(|config| config.pointer("/language/sourceLanguage").and_then(Value::as_str).is_none_or(|c| c == code))
        .find_map(|config| config.get("serviceId")?.as_str());
    let service = endpoint.text("service_id").or(offered);
    // The pipeline is there but does not compute this: a matter of the request, not of the moment.
    let service = service.ok_or_else(|| endpoint.fault(FaultKind::Refused, "the pipeline has no service for it"))?;
    let text = |place: &str| answer.pointer(place).and_then(Value::as_str);
    let url = text("/pipelineInferenceAPIEndPoint/callbackUrl").ok_or_else(|| broken("the pipeline has no address"))?;
    let url: Url = url.parse().map_err(|_| broken("the pipeline's address is no URL"))?;
    // The words of a caller do not leave over a plain connection unless the endpoint itself is one.
    if url.scheme() != "https" && url.scheme() != endpoint.base_url.scheme() {
        return Err(broken("the pipeline's address is not encrypted"));
    }
    let header = text("/pipelineInferenceAPIEndPoint/inferenceApiKey/name").unwrap_or("Authorization");
    let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| broken("the pipeline's key has no name"))?;
    let key =
        text("/pipelineInferenceAPIEndPoint/inferenceApiKey/value").ok_or_else(|| broken("the pipeline has no key"))?;
    Ok(Plan { service: service.to_owned(), url, header, key: Secret::new(key) })
}

struct Ears(Arc<Desk>);

impl Stt for Ears {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let desk = self.0.clone();
        sound::asked(desk.endpoint.clone(), async move {
            let endpoint = &desk.endpoint;
            let begun = desk.clock.now();
            let audio = sound::length(&request.audio, AUDIO_MAX, endpoint)?;
            let question = BHASHINI.question(&request.hint, false, endpoint)?;
            let mut config = Map::new();
            config.insert("audioFormat".into(), "wav".into());
            config.insert("samplingRate".into(), STT_RATE.into());
            let input = json!({"audio": [{"audioContent": STANDARD.encode(sound::wav(&request.audio))}]});
            let task = desk.compute(question.language, config, input).await?;
            let text = task.pointer("/output/0/source").and_then(Value::as_str);
            let text = text.ok_or_else(|| endpoint.fault(FaultKind::Broken, "the answer has no text"))?;
            let told = Told { text: text.to_owned(), ..Told::default() };
            Ok(told.answers((BHASHINI, &question), endpoint, audio, desk.clock.now().since(begun)))
        })
    }
}

struct Voice(Arc<Desk>);

impl Tts for Voice {
    fn id(&self) -> &str {
        &self.0.endpoint.id
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let desk = self.0.clone();
        // Bhashini's voices have no names but a gender.
        let voice = sound::voice(&desk.endpoint, &request).unwrap_or_else(|| "female".to_owned());
        let from = sound::rate_for(&RATES, request.rate);
        let speech =
            Speech { endpoint: desk.endpoint.clone(), clock: desk.clock, from, to: request.rate, voice: voice.clone() };
        speech.stream(async move { spoken(&desk, request, voice, from).await }.boxed())
    }
}

async fn spoken(desk: &Desk, request: TtsRequest, voice: String, rate: u32) -> Result<Pieces, Fault> {
    sound::text_length(&request.text, TEXT_MAX, &desk.endpoint)?;
    BHASHINI.wanted(request.language, &desk.endpoint)?;
    let mut config = Map::new();
    config.insert("gender".into(), voice.into());
    config.insert("samplingRate".into(), rate.into());
    let input = json!({"input": [{"source": request.text}]});
    let task = desk.compute(request.language, config, input).await?;
    let content = task.pointer("/audio/0/audioContent").and_then(Value::as_str);
    let sound = content.and_then(|content| STANDARD.decode(content.trim()).ok()).filter(|wav| wav.starts_with(b"RIFF"));
    let sound = sound.ok_or_else(|| desk.endpoint.fault(FaultKind::Broken, "the answer has no WAV file"))?;
    Ok(stream::iter([Ok(sound.into())]).boxed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::providers::sound::tests::endpoint;

    fn answer(url: &str) -> Value {
        json!({
            "languages": [{"sourceLanguage": "ta", "targetLanguageList": ["ta"]}],
            "pipelineResponseConfig": [
                {"taskType": "translation", "config": [{"serviceId": "other", "language": {"sourceLanguage": "ta"}}]},
                {"taskType": "asr", "config": [
                    {"serviceId": "hindi", "language": {"sourceLanguage": "hi"}},
                    {"serviceId": "dravidian", "language": {"sourceLanguage": "ta"}},
                ]},
            ],
            "pipelineInferenceAPIEndPoint": {
                "callbackUrl": url, "inferenceApiKey": {"name": "Authorization", "value": "k"},
            },
        })
    }

    #[test]
    fn the_service_of_the_language_is_taken() {
        let mut endpoint = endpoint("bhashini/meity");
        endpoint.base_url = "https://meity.example.in".parse().unwrap();
        let found = plan(&answer("https://dhruva.example.in/pipeline"), "asr", "ta", &endpoint).unwrap();
        assert_eq!(found.service, "dravidian");
        assert!(!format!("{found:?}").contains("\"k\""), "keys are not printed");
        let kind = |answer: &Value, task, code| plan(answer, task, code, &endpoint).unwrap_err().kind;
        assert_eq!(kind(&answer("https://d"), "asr", "or"), FaultKind::Refused);
        assert_eq!(kind(&answer("https://d"), "tts", "ta"), FaultKind::Refused);
        assert_eq!(kind(&answer("http://d"), "asr", "ta"), FaultKind::Broken, "not encrypted");
        assert_eq!(kind(&answer("no address"), "asr", "ta"), FaultKind::Broken);
        assert_eq!(kind(&json!([1, {}]), "asr", "ta"), FaultKind::Refused);
        endpoint.options.insert("service_id".into(), "mine".into());
        assert_eq!(plan(&answer("https://d"), "asr", "ta", &endpoint).unwrap().service, "mine");
    }
}
