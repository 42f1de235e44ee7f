//! A small S3 that speaks the real protocol: every request's signature (SigV4) and the sum of its body are
//! checked as AWS does, uploads in parts, listings in pages, ranges. And faults on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

pub(crate) const ACCESS_KEY: &str = "AKIAVAANITESTS";
pub(crate) const SECRET_KEY: &str = "a-secret-of-the-tests,40-characters-long";
pub(crate) const REGION: &str = "ap-south-1";
pub(crate) const BUCKET: &str = "vaani-tests";
/// Of a listing; AWS has 1000.
const PAGE: usize = 3;
/// AWS takes no smaller part, but as the last one.
const PART_MIN: usize = 5 << 20;

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
    /// Method, path with query, and what was answered.
    seen: Vec<(String, String, u16)>,
    faults: Vec<Fault>,
    count: u64,
}

#[derive(Clone)]
struct Object {
    bytes: Vec<u8>,
    etag: String,
    put: u64,
}

/// What happens to the next request that fits, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503 for the next request of this method.
    SlowDown(Method),
    /// A `GET` breaks off after so many bytes.
    Torn(usize),
    /// 403 for the next request of this method.
    Refuse(Method),
}

#[derive(Clone)]
pub(crate) struct S3 {
    inner: Arc<Mutex<Inner>>,
    at: SocketAddr,
}

impl S3 {
    /// The same one as if it were somewhere else.
    pub(crate) fn at(&self, at: SocketAddr) -> Self {
        Self { at, ..self.clone() }
    }

    /// On a thread of its own, for clients of any kind.
    pub(crate) fn start() -> Self {
        let inner: Arc<Mutex<Inner>> = Arc::default();
        let (told, at) = std::sync::mpsc::channel();
        let serving = Arc::clone(&inner);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new()
                    .fallback(answer)
                    .layer(axum::extract::DefaultBodyLimit::disable())
                    .with_state(serving);
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { inner, at: at.recv().unwrap() }
    }

    pub(crate) fn listens(&self) -> SocketAddr {
        self.at
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.at)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    pub(crate) fn object(&self, key: &str) -> Vec<u8> {
        self.lock().objects[key].bytes.clone()
    }

    /// Uploads that were neither completed nor given up.
    pub(crate) fn open_uploads(&self) -> usize {
        self.lock().uploads.len()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    pub(crate) fn faults_left(&self) -> usize {
        self.lock().faults.len()
    }

    /// Method, path with query, status.
    pub(crate) fn seen(&self) -> Vec<(String, String, u16)> {
        self.lock().seen.clone()
    }
}

async fn answer(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
    let response = match check(&method, &uri, &headers, &body) {
        Err(code) => error(StatusCode::FORBIDDEN, code),
        Ok(()) => handle(&mut inner, &method, &uri, &headers, &body),
    };
    inner.seen.push((method.to_string(), uri.to_string(), response.status().as_u16()));
    response
}

fn error(status: StatusCode, code: &str) -> Response {
    let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    (status, [("content-type", "application/xml")], text).into_response()
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml")], format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}")).into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature as the documentation of AWS builds it, from nothing but the request.
fn check(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let authorization = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").ok_or("AccessDenied")?;
    let field = |name: &str| {
        authorization.split(',').find_map(|part| part.trim().strip_prefix(name)).ok_or("AuthorizationHeaderMalformed")
    };
    let (credential, signed, given) = (field("Credential=")?, field("SignedHeaders=")?, field("Signature=")?);
    let (id, scope) = credential.split_once('/').ok_or("AuthorizationHeaderMalformed")?;
    if id != ACCESS_KEY {
        return Err("InvalidAccessKeyId");
    }
    let date = scope.split('/').next().unwrap_or_default();
    if scope != format!("{date}/{REGION}/s3/aws4_request") || !header("x-amz-date").starts_with(date) {
        return Err("AuthorizationHeaderMalformed");
    }
    let told = header("x-amz-content-sha256");
    if told != "UNSIGNED-PAYLOAD" && told != hex(&Sha256::digest(body)) {
        return Err("XAmzContentSHA256Mismatch");
    }
    // What matters must be signed, or somebody in between could change it.
    if !["host", "x-amz-date", "x-amz-content-sha256"].iter().all(|name| signed.split(';').any(|s| s == *name)) {
        return Err("AccessDenied");
    }
    let mut query: Vec<(String, String)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let lines: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", header(name).split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    let canonical = format!("{method}\n{}\n{}\n{lines}\n{signed}\n{told}", uri.path(), query.join("&"));
    let text =
        format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", header("x-amz-date"), hex(&Sha256::digest(canonical.as_bytes())));
    let key = ["aws4_request", "s3", REGION, date]
        .iter()
        .rev()
        .fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| sign(&key, part));
    if hex(&sign(&key, &text)) == given { Ok(()) } else { Err("SignatureDoesNotMatch") }
}

fn handle(inner: &mut Inner, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let fits = |fault: &Fault| matches!(fault, Fault::SlowDown(m) | Fault::Refuse(m) if m == method);
    if let Some(at) = inner.faults.iter().position(fits) {
        return match inner.faults.remove(at) {
            Fault::Refuse(_) => error(StatusCode::FORBIDDEN, "AccessDenied"),
            _ => error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        };
    }
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let path = uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket != BUCKET {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let key = key.to_owned();
    let part = query.get("partNumber").and_then(|n| n.parse().ok());
    match (method.as_str(), query.get("uploadId"), part) {
        ("GET", None, None) if key.is_empty() => list(inner, &query),
        ("POST", None, None) if query.contains_key("uploads") => {
            inner.count += 1;
            let id = format!("upload-{}", inner.count);
            inner.uploads.insert(id.clone(), (key.clone(), BTreeMap::new()));
            xml(format!(
                "<InitiateMultipartUploadResult><Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ))
        }
        ("PUT", Some(id), Some(number)) => {
            let Some((_, parts)) = inner.uploads.get_mut(id) else {
                return error(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            parts.insert(number, body.to_vec());
            ([("etag", etag(body))], "").into_response()
        }
        ("POST", Some(id), None) => complete(inner, id, body),
        ("DELETE", Some(id), None) => {
            inner.uploads.remove(id);
            StatusCode::NO_CONTENT.into_response()
        }
        ("PUT", None, None) => {
            let tag = put(inner, key, body.to_vec());
            ([("etag", tag)], "").into_response()
        }
        ("DELETE", None, None) => {
            inner.objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET" | "HEAD", None, None) => get(inner, method, &key, headers),
        _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}

fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", &hex(&Sha256::digest(bytes))[..32])
}

fn put(inner: &mut Inner, key: String, bytes: Vec<u8>) -> String {
    inner.count += 1;
    let object = Object { etag: etag(&bytes), bytes, put: inner.count };
    let tag = object.etag.clone();
    inner.objects.insert(key, object);
    tag
}

fn complete(inner: &mut Inner, id: &str, body: &Bytes) -> Response {
    let Some((key, parts)) = inner.uploads.get(id).cloned() else {
        return error(StatusCode::NOT_FOUND, "NoSuchUpload");
    };
    let text = String::from_utf8_lossy(body).replace("&quot;", "\"").replace("&#34;", "\"");
    let between = |text: &str, from: &str, to: &str| {
        text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(found, _)| found.to_owned())
    };
    let mut whole = Vec::new();
    let mut last = 0;
    let named: Vec<&str> = text.split("<Part>").skip(1).collect();
    for (at, part) in named.iter().enumerate() {
        let number = between(part, "<PartNumber>", "</PartNumber>").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        let tag = between(part, "<ETag>", "</ETag>").unwrap_or_default();
        let Some(bytes) = parts.get(&number).filter(|bytes| etag(bytes).trim_matches('"') == tag.trim_matches('"'))
        else {
            return error(StatusCode::BAD_REQUEST, "InvalidPart");
        };
        if number <= last {
            return error(StatusCode::BAD_REQUEST, "InvalidPartOrder");
        }
        if at + 1 < named.len() && bytes.len() < PART_MIN {
            return error(StatusCode::BAD_REQUEST, "EntityTooSmall");
        }
        last = number;
        whole.extend_from_slice(bytes);
    }
    inner.uploads.remove(id);
    let tag = put(inner, key.clone(), whole);
    xml(format!(
        "<CompleteMultipartUploadResult><Location>x</Location><Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
    ))
}

fn get(inner: &mut Inner, method: &Method, key: &str, headers: &HeaderMap) -> Response {
    let Some(object) = inner.objects.get(key).cloned() else {
        return error(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let whole = object.bytes.len();
    let range = headers.get("range").and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("bytes="));
    let (from, to) = range.and_then(|r| r.split_once('-')).map_or((0, whole), |(from, to)| {
        (from.parse().unwrap_or(0), to.parse::<usize>().map_or(whole, |to| (to + 1).min(whole)))
    });
    let bytes = object.bytes[from..to].to_vec();
    let mut response = Response::builder()
        .header("etag", &object.etag)
        .header("last-modified", date(object.put))
        .header("content-type", "application/octet-stream")
        .header("accept-ranges", "bytes")
        .header("content-length", bytes.len());
    if range.is_some() {
        let shown = format!("bytes {from}-{}/{whole}", to.saturating_sub(1));
        response = response.status(StatusCode::PARTIAL_CONTENT).header("content-range", shown);
    }
    if method == Method::HEAD {
        return response.body(Body::empty()).unwrap();
    }
    let torn = inner.faults.iter().position(|fault| matches!(fault, Fault::Torn(_)));
    if let Some(Fault::Torn(after)) = torn.map(|at| inner.faults.remove(at)) {
        let first = Bytes::from(bytes[..after.min(bytes.len())].to_vec());
        let pieces = [Ok(first), Err(std::io::Error::other("the line broke"))];
        return response.body(Body::from_stream(futures_util::stream::iter(pieces))).unwrap();
    }
    response.body(Body::from(bytes)).unwrap()
}

/// Some day, later for what was put later.
fn date(put: u64) -> String {
    format!("Fri, 20 Nov 2026 {:02}:{:02}:{:02} GMT", put / 3_600 % 24, put / 60 % 60, put % 60)
}

fn list(inner: &Inner, query: &BTreeMap<String, String>) -> Response {
    let value = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (prefix, after) = (value("prefix"), value("continuation-token").max(value("start-after")));
    let found: Vec<_> =
        inner.objects.iter().filter(|(key, _)| key.starts_with(&prefix) && key.as_str() > after.as_str()).collect();
    let more = found.len() > PAGE;
    let mut text =
        format!("<ListBucketResult><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><IsTruncated>{more}</IsTruncated>");
    for (key, object) in found.iter().take(PAGE) {
        text.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-20T{:02}:{:02}:{:02}.000Z</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            object.put / 3_600 % 24,
            object.put / 60 % 60,
            object.put % 60,
            object.etag.replace('"', "&quot;"),
            object.bytes.len()
        ));
    }
    if more {
        text.push_str(&format!("<NextContinuationToken>{}</NextContinuationToken>", found[PAGE - 1].0));
    }
    text.push_str(&format!("<KeyCount>{}</KeyCount></ListBucketResult>", found.len().min(PAGE)));
    xml(text)
}
