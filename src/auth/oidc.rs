//! Single sign-on with OpenID Connect: code flow with PKCE, state and nonce. Promise: what the provider
//! says counts only if its signature, issuer, audience, time and nonce are right; a login is finished
//! in the browser that began it, within its time and once; each request has a deadline and a bound.

use std::sync::Mutex;
use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse as _,
};
use serde_json::Value;

use crate::base::secret::Secret;
use crate::base::{Moment, limits};
use crate::config::OidcSettings;

/// Why a login at the provider came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("single sign-on is not set up on this box; log in with a password, or have `[auth.oidc]` written")]
    Off,
    #[error("`[auth.oidc]` cannot be used: {0}")]
    Settings(String),
    #[error("the single sign-on's server cannot be used: {0}")]
    Provider(String),
    #[error("this login was begun in another browser, took too long, or was used already; begin again")]
    State,
    #[error("the single sign-on let nobody in: {0}")]
    Denied(String),
    #[error("the single sign-on's token is not right: {0}")]
    Token(&'static str),
    #[error("your account at the single sign-on is in no group that has a role here; ask an admin")]
    NoRole,
    #[error("your account at the single sign-on belongs to no tenant of this box; ask an admin")]
    NoTenant,
    #[error("a user of this login exists here already and does not come from the single sign-on; ask an admin")]
    Taken,
}

/// A browser that leaves for the provider.
pub(super) struct Leaving {
    pub url: String,
    pub state: Secret,
    pub nonce: String,
    pub verifier: String,
}

/// Who the provider says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub issuer: String,
    pub subject: String,
    pub claims: Value,
}

#[derive(Default)]
struct Discovered {
    metadata: Option<(CoreProviderMetadata, Moment)>,
    tried: Option<Moment>,
}

/// The provider.
pub(super) struct Oidc {
    pub(super) settings: OidcSettings,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    http: reqwest::Client,
    discovered: Mutex<Discovered>,
    /// One asks, the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

/// How the verifier is told that a token's `iat` is not now.
const ANOTHER_TIME: &str = "issued at another time";
/// The route that the provider sends browsers back to.
pub(super) const CALLBACK: &str = "/api/oidc/callback";

impl Oidc {
    pub(super) fn new(settings: OidcSettings, base_url: &str) -> Result<Self, OidcError> {
        let wrong = |what: &str| OidcError::Settings(what.to_owned());
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|_| wrong("the issuer is no URL"))?;
        let redirect = RedirectUrl::new(format!("{base_url}{CALLBACK}"))
            .map_err(|_| wrong("http.public_base_url is no URL to return to"))?;
        let http = reqwest::Client::builder()
            // An answer that sends us elsewhere is no answer of the provider.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(limits::OIDC_REQUEST_MAX)
            .build()
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(Self {
            settings,
            issuer,
            redirect,
            http,
            discovered: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })
    }

    /// What the provider says of itself, not older than `since` if that is given.
    async fn metadata(&self, now: Moment, newer_than: Option<Moment>) -> Result<CoreProviderMetadata, OidcError> {
        let fresh = |found: &Discovered| {
            let (metadata, at) = found.metadata.as_ref()?;
            let good = now.since(*at) < limits::OIDC_DISCOVERY_TTL && newer_than.is_none_or(|old| *at > old);
            good.then(|| metadata.clone())
        };
        if let Some(metadata) = fresh(&self.discovered()) {
            return Ok(metadata);
        }
        let _one = self.asking.lock().await;
        {
            let mut found = self.discovered();
            if let Some(metadata) = fresh(&found) {
                return Ok(metadata);
            }
            if found.tried.is_some_and(|tried| now.since(tried) < limits::OIDC_DISCOVERY_PAUSE) {
                let old = found.metadata.as_ref().map(|(metadata, _)| metadata.clone());
                return old.ok_or_else(|| {
                    OidcError::Provider("it did not answer a moment ago; try again in some seconds".to_owned())
                });
            }
            found.tried = Some(now);
        }
        let http = |request| fetch(self.http.clone(), request);
        let asked = CoreProviderMetadata::discover_async(self.issuer.clone(), &http).await;
        let metadata = asked.map_err(|error| OidcError::Provider(told(&error)))?;
        self.discovered().metadata = Some((metadata.clone(), now));
        Ok(metadata)
    }

    fn discovered(&self) -> std::sync::MutexGuard<'_, Discovered> {
        self.discovered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn secret(&self) -> Option<ClientSecret> {
        self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()))
    }

    pub(super) async fn leave(&self, now: Moment) -> Result<Leaving, OidcError> {
        let metadata = self.metadata(now, None).await?;
        let client =
            CoreClient::from_provider_metadata(metadata, ClientId::new(self.settings.client_id.clone()), self.secret())
                .set_redirect_uri(self.redirect.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = super::secrets::token().map_err(|error| OidcError::Settings(error.to_string()))?;
        let sent = state.expose().to_owned();
        let (url, _, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || CsrfToken::new(sent), Nonce::new_random)
            .add_scopes(self.settings.scopes.iter().map(|scope| Scope::new(scope.clone())))
            .set_pkce_challenge(challenge)
            .url();
        Ok(Leaving { url: url.into(), state, nonce: nonce.secret().clone(), verifier: verifier.into_secret() })
    }

    /// Changes the code into claims that are verified. `unix` is seconds since 1970.
    pub(super) async fn back(
        &self,
        code: &str,
        nonce: &str,
        verifier: String,
        (now, unix): (Moment, u64),
    ) -> Result<Known, OidcError> {
        let metadata = self.metadata(now, None).await?;
        let id = ClientId::new(self.settings.client_id.clone());
        let mut client = CoreClient::from_provider_metadata(metadata.clone(), id.clone(), self.secret())
            .set_redirect_uri(self.redirect.clone());
        // Basic is what the standard says where the provider says nothing.
        let ways = metadata.token_endpoint_auth_methods_supported();
        if ways.is_some_and(|ways| !ways.contains(&CoreClientAuthMethod::ClientSecretBasic)) {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        let http = |request| fetch(self.http.clone(), request);
        let exchange = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| OidcError::Provider("it names no place to change codes".to_owned()))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let answer = exchange.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(said) => OidcError::Denied(plain(&format!("{:?}", said.error()))),
            other => OidcError::Provider(told(&other)),
        })?;
        let token = answer.id_token().ok_or(OidcError::Token("there is no ID token in the answer"))?;
        let nonce = Nonce::new(nonce.to_owned());
        let verified = {
            let (client, token, nonce) = (&client, &token, &nonce);
            let check = |metadata: &CoreProviderMetadata| {
                let verifier = CoreClient::from_provider_metadata(metadata.clone(), id.clone(), self.secret());
                let verifier = verifier
                    .id_token_verifier()
                    .set_allowed_algs(algorithms(metadata))
                    .set_issue_time_verifier_fn(move |at| {
                        let skew = limits::OIDC_CLOCK_SKEW.as_secs();
                        let at = u64::try_from(at.timestamp()).unwrap_or(0);
                        let old = unix.saturating_sub(limits::OIDC_LOGIN_TTL.as_secs() + skew);
                        if (old..=unix + skew).contains(&at) { Ok(()) } else { Err(ANOTHER_TIME.to_owned()) }
                    });
                let claims = token.claims(&verifier, nonce)?;
                if let Some(wanted) = claims.access_token_hash() {
                    let alg = token.signing_alg().map_err(ClaimsVerificationError::SignatureVerification)?;
                    let key = token.signing_key(&verifier).map_err(ClaimsVerificationError::SignatureVerification)?;
                    let own = AccessTokenHash::from_token(answer.access_token(), alg, key);
                    if own.ok().as_ref() != Some(wanted) {
                        return Err(ClaimsVerificationError::Other("at_hash".to_owned()));
                    }
                }
                Ok(claims.subject().as_str().to_owned())
            };
            let _ = client;
            match check(&metadata) {
                // The provider may have changed its keys since we asked for them.
                Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                    let old = now_of(&self.discovered());
                    let newer = self.metadata(now, Some(old)).await?;
                    check(&newer)
                }
                first => first,
            }
        };
        let subject = verified.map_err(|error| OidcError::Token(reason(&error)))?;
        let mut claims = payload(&token.to_string()).ok_or(OidcError::Token("its claims cannot be read"))?;
        let wanted =
            [Some(&self.settings.role_claim), self.settings.tenant_claim.as_ref(), Some(&self.settings.login_claim)];
        let lacks = wanted.into_iter().flatten().any(|name| claim(&claims, name).is_none());
        if let Some(place) = metadata.userinfo_endpoint().filter(|_| lacks) {
            // Many providers tell groups only here.
            let more = self.user_info(place.url().clone(), answer.access_token().secret()).await?;
            if more.get("sub").and_then(Value::as_str) != Some(subject.as_str()) {
                return Err(OidcError::Token("its user information is of somebody else"));
            }
            if let (Value::Object(claims), Value::Object(more)) = (&mut claims, more) {
                for (name, value) in more {
                    claims.entry(name).or_insert(value);
                }
            }
        }
        Ok(Known { issuer: self.settings.issuer.clone(), subject, claims })
    }

    async fn user_info(&self, url: url::Url, token: &str) -> Result<Value, OidcError> {
        let request = self.http.get(url).bearer_auth(token).header(reqwest::header::ACCEPT, "application/json").build();
        let request = request.map_err(|error| OidcError::Provider(told(&error)))?;
        let body = bounded(&self.http, request).await.map_err(|error| OidcError::Provider(told(&error)))?;
        if body.0 != reqwest::StatusCode::OK {
            return Err(OidcError::Provider(format!("it answered {} to the question who you are", body.0.as_u16())));
        }
        serde_json::from_slice(&body.2).map_err(|_| OidcError::Provider("its user information is no JSON".to_owned()))
    }
}

fn now_of(found: &Discovered) -> Moment {
    found.metadata.as_ref().map_or(Moment::ZERO, |(_, at)| *at)
}

/// What the provider announces, but nothing that a client's secret or nobody signs.
fn algorithms(metadata: &CoreProviderMetadata) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Alg;
    let weak = [Alg::HmacSha256, Alg::HmacSha384, Alg::HmacSha512, Alg::None];
    metadata.id_token_signing_alg_values_supported().iter().filter(|alg| !weak.contains(alg)).cloned().collect()
}

/// In words that hold nothing of the token.
fn reason(error: &ClaimsVerificationError) -> &'static str {
    match error {
        ClaimsVerificationError::Expired(what) if what == ANOTHER_TIME => "it was issued at another time",
        ClaimsVerificationError::Expired(_) => "it has run out",
        ClaimsVerificationError::InvalidAudience(_) => "it is meant for another client (audience)",
        ClaimsVerificationError::InvalidIssuer(_) => "it comes from another issuer",
        ClaimsVerificationError::InvalidNonce(_) => "it belongs to another login (nonce)",
        ClaimsVerificationError::InvalidSubject(_) => "it names nobody (subject)",
        ClaimsVerificationError::SignatureVerification(_) => "its signature is not the provider's",
        ClaimsVerificationError::Other(what) if what == "at_hash" => "its access token was exchanged",
        _ => "it is of a kind that is not accepted",
    }
}

/// The claims of a token whose signature is verified.
fn payload(token: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?).ok()
}

/// A claim by name, or by a path with dots (`realm_access.roles`).
pub(super) fn claim<'v>(claims: &'v Value, name: &str) -> Option<&'v Value> {
    claims.get(name).or_else(|| name.split('.').try_fold(claims, |value, part| value.get(part)))
}

/// A claim's words: one, or a list.
pub(super) fn words(claims: &Value, name: &str) -> Vec<String> {
    match claim(claims, name) {
        Some(Value::String(word)) => vec![word.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Short and printable: it comes from outside.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(120).collect()
}

/// An error with its causes, without what a server wrote.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = plain(&error.to_string());
    let mut cause = error.source();
    for _ in 0..4 {
        let Some(error) = cause else { break };
        text = format!("{text}: {}", plain(&error.to_string()));
        cause = error.source();
    }
    text
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is longer than {} bytes", limits::OIDC_ANSWER_MAX)]
    Long,
    #[error("the answer makes no sense")]
    Strange,
}

async fn fetch(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, FetchError> {
    let (status, headers, body) = bounded(&client, request.try_into()?).await?;
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if response.status().is_informational() { Err(FetchError::Strange) } else { Ok(response) }
}

type Fetched = (reqwest::StatusCode, reqwest::header::HeaderMap, Vec<u8>);

async fn bounded(client: &reqwest::Client, request: reqwest::Request) -> Result<Fetched, FetchError> {
    let mut answer = client.execute(request).await?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if body.len() + piece.len() > limits::OIDC_ANSWER_MAX {
            return Err(FetchError::Long);
        }
        body.extend_from_slice(&piece);
    }
    Ok((answer.status(), answer.headers().clone(), body))
}
