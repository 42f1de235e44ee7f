//! Bhashini below `/bhashini`: the pipeline's configuration and its computation.

use axum::extract::Extension;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{KEY, Variant, refuse, sound, whole};

/// What the configuration hands out for the computation.
const INFERENCE_KEY: &str = "inference-key-12";
const LANGUAGES: [&str; 11] = ["en", "hi", "ta", "te", "ml", "kn", "gu", "mr", "bn", "pa", "or"];

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/bhashini/ulca/apis/v0/model/getModelsPipeline", post(configure))
        .route("/bhashini/services/inference/pipeline", post(compute))
}

pub(crate) fn error(status: u16) -> String {
    json!({"code": "PROCESS_FAILED", "message": "The words of the caller may be repeated here.", "timestamp": status})
        .to_string()
}

async fn configure(headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let signed = headers.get("ulcaapikey").is_some_and(|key| key == KEY) && headers.contains_key("userid");
    if !signed {
        return refuse(401, None, json!({"code": "UNAUTHORIZED", "message": "m"}).to_string());
    }
    if body.pointer("/pipelineRequestConfig/pipelineId").and_then(Value::as_str) != Some("64392f96daac500b55c543cd") {
        return refuse(400, None, error(400));
    }
    let task = body.pointer("/pipelineTasks/0/taskType").and_then(Value::as_str).unwrap_or_default();
    let language = body.pointer("/pipelineTasks/0/config/language/sourceLanguage").and_then(Value::as_str);
    let language = language.unwrap_or_default();
    if !["asr", "tts"].contains(&task) || !LANGUAGES.contains(&language) {
        return refuse(400, None, error(400));
    }
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
    let answer = json!({
        "languages": [{"sourceLanguage": language, "targetLanguageList": [language]}],
        "pipelineResponseConfig": [{"taskType": task, "config": [{
            "serviceId": service(task, language), "modelId": "m1",
            "language": {"sourceLanguage": language, "sourceScriptCode": "Orya"},
            "domain": ["general"], "supportedVoices": ["female", "male"],
        }]}],
        "feedbackUrl": "https://dhruva-api.bhashini.gov.in/services/feedback/submit",
        "pipelineInferenceAPIEndPoint": {
            "callbackUrl": format!("http://{host}/bhashini/services/inference/pipeline"),
            "inferenceApiKey": {"name": "Authorization", "value": INFERENCE_KEY},
            "isMultilingualEnabled": true, "isSyncApi": true,
        },
    });
    whole("application/json", answer.to_string())
}

fn service(task: &str, language: &str) -> String {
    match task {
        "asr" => format!("ai4bharat/conformer-{language}-gpu--t4"),
        _ => format!("ai4bharat/indic-tts-coqui-{language}-gpu--t4"),
    }
}

async fn compute(headers: HeaderMap, variant: Extension<Variant>, Json(body): Json<Value>) -> Response {
    if headers.get("authorization").is_none_or(|key| key != INFERENCE_KEY) {
        return refuse(401, None, json!({"detail": {"message": "Invalid API key"}}).to_string());
    }
    let at = |place: &str| body.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let (task, language) = (at("/pipelineTasks/0/taskType"), at("/pipelineTasks/0/config/language/sourceLanguage"));
    if at("/pipelineTasks/0/config/serviceId") != service(task, language) {
        return refuse(400, None, error(400));
    }
    let rate = body.pointer("/pipelineTasks/0/config/samplingRate").and_then(Value::as_u64).unwrap_or_default() as u32;
    if task == "asr" {
        let audio = STANDARD.decode(at("/inputData/audio/0/audioContent")).unwrap_or_default();
        if !sound::is_16k_wav(&audio) || rate != 16_000 || at("/pipelineTasks/0/config/audioFormat") != "wav" {
            return refuse(400, None, error(400));
        }
        let text = if variant.0.0 == "silent" { "" } else { "ହଁ କୁହନ୍ତୁ" };
        let answer = json!({"pipelineResponse": [
            {"taskType": "asr", "config": null, "output": [{"source": text}], "audio": null}]});
        return whole("application/json", answer.to_string());
    }
    let gender = ["female", "male"].contains(&at("/pipelineTasks/0/config/gender"));
    if !gender || at("/inputData/input/0/source").is_empty() {
        return refuse(400, None, error(400));
    }
    // Some services do not obey the rate; the file tells the truth.
    let rate = if variant.0.0 == "own_rate" { 22_050 } else { rate };
    let content = match variant.0.0.as_str() {
        "no_sound" => "bm90IGEgZmlsZQ==".to_owned(),
        _ => STANDARD.encode(sound::wav(rate, &sound::tone(rate))),
    };
    let answer = json!({"pipelineResponse": [{"taskType": "tts",
        "config": {"audioFormat": "wav", "language": {"sourceLanguage": language, "sourceScriptCode": ""},
            "encoding": "base64", "samplingRate": rate},
        "output": null, "audio": [{"audioContent": content, "audioUri": null}]}]});
    whole("application/json", answer.to_string())
}
