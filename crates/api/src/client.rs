//! A blocking client of HTTP version 1, over `http` and `https`: what the command line is made of.
//!
//! This file sends and reads; `failure` says what went wrong; [`routes`] has one method a route, [`patience`] waits for
//! tasks over a server's restart, [`sse`] reads streams. Nothing is sent twice, except reads while waiting.

use crate::problem::Problem;
use crate::tls::{self, Roots};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

mod failure;
pub use failure::ClientError;
pub mod patience;
pub mod routes;
pub mod schedules;
pub mod sse;
pub mod state;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Where the server is and how to speak to it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port` or `https://…`, with or without a path in front of `/api`.
    pub url: String,
    /// The bearer token.
    pub token: Option<String>,
    /// Whom `https` trusts.
    pub roots: Roots,
    /// How long one request may take, beside what it asks the server to wait.
    pub timeout: Duration,
}

/// What a call gives.
pub type Result<T> = std::result::Result<T, ClientError>;

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
    timeout: Duration,
}

/// One call: method, path with query, and what goes with it.
#[derive(Debug)]
struct Call<'a> {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    content_type: &'a str,
    key: Option<&'a str>,
    /// The version that what is changed must have; 0: it must not be there.
    if_version: Option<u64>,
    last: Option<&'a str>,
    /// How long the server was asked to wait; on top of the usual time.
    wait: Duration,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// `Address` for anything but `http://host[:port]` and `https://host[:port]`.
    pub fn new(options: Options) -> Result<Self> {
        let Options {
            url,
            token,
            roots,
            timeout,
        } = options;
        let base = url.trim_end_matches('/').to_owned();
        let wrong = |reason: &str| ClientError::Address {
            url: url.clone(),
            reason: reason.into(),
        };
        let host = base
            .strip_prefix("http://")
            .or_else(|| base.strip_prefix("https://"))
            .unwrap_or_default();
        if host.is_empty() || host.starts_with(['/', ':']) {
            return Err(wrong(
                "it must look like http://127.0.0.1:7766 or https://tasks.example.org",
            ));
        }
        if let Err(error) = base.parse::<ureq::http::Uri>() {
            return Err(wrong(&error.to_string()));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(trust(&roots))
            .timeout_connect(Some(CONNECT_TIME.min(timeout)))
            .user_agent(concat!("warrener/", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            agent: config.build().into(),
            base,
            token,
            timeout,
        })
    }

    /// The address of the server.
    pub fn url(&self) -> &str {
        &self.base
    }

    fn get<T: DeserializeOwned>(&self, path: String) -> Result<T> {
        self.read(self.send(call(Method::GET, path))?)
    }

    fn post<B: Serialize, T: DeserializeOwned>(&self, path: String, body: &B) -> Result<T> {
        self.read(self.send(call(Method::POST, path).json(body))?)
    }

    /// Sends one request, once; an answer of 400 and above is an error.
    fn send(&self, call: Call<'_>) -> Result<Response<Body>> {
        let limit = self.timeout.saturating_add(call.wait);
        let response = self.open(call, Some(limit))?;
        if response.status().as_u16() < 400 {
            return Ok(response);
        }
        Err(self.refusal(response))
    }

    fn open(&self, call: Call<'_>, limit: Option<Duration>) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.base, call.path));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key);
        }
        request = match call.if_version {
            None => request,
            Some(0) => request.header("if-none-match", "*"),
            Some(version) => request.header("if-match", format!("\"{version}\"")),
        };
        if let Some(last) = call.last {
            request = request.header("last-event-id", last);
        }
        let result = match call.body {
            Some(body) => {
                let request = request.header("content-type", call.content_type).body(body);
                self.perform(request, limit)
            }
            None => self.perform(request.body(()), limit),
        };
        result.map_err(|error| ClientError::of(error, &self.base, limit.unwrap_or(CONNECT_TIME)))
    }

    fn perform(
        &self,
        request: std::result::Result<Request<impl ureq::AsSendBody>, ureq::http::Error>,
        limit: Option<Duration>,
    ) -> std::result::Result<Response<Body>, ureq::Error> {
        let request = self.agent.configure_request(request?);
        self.agent.run(request.timeout_global(limit).build())
    }

    fn text(&self, response: Response<Body>) -> Result<Vec<u8>> {
        let body = response.into_body().into_with_config();
        body.limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|error| ClientError::of(error, &self.base, self.timeout))
    }

    fn read<T: DeserializeOwned>(&self, response: Response<Body>) -> Result<T> {
        let status = response.status().as_u16();
        let text = self.text(response)?;
        serde_json::from_slice(&text).map_err(|error| ClientError::Unreadable {
            url: self.base.clone(),
            status,
            reason: error.to_string(),
        })
    }

    /// What the server says when it says no.
    fn refusal(&self, response: Response<Body>) -> ClientError {
        let status = response.status().as_u16();
        let text = match self.text(response) {
            Ok(text) => text,
            Err(error) => return error,
        };
        match serde_json::from_slice::<Problem>(&text) {
            Ok(problem) if !problem.code.is_empty() => ClientError::Problem(problem),
            _ => ClientError::Unreadable {
                url: self.base.clone(),
                status,
                reason: excerpt(&text),
            },
        }
    }
}

/// The roots as this client's library takes them. It has no provider of its own: `https` without this is a panic.
pub fn trust(roots: &Roots) -> TlsConfig {
    let roots: Vec<Certificate<'static>> = roots
        .iter()
        .map(|root| Certificate::from_der(root.as_ref()).to_owned())
        .collect();
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(tls::provider())
        .build()
}

fn call<'a>(method: Method, path: String) -> Call<'a> {
    Call {
        method,
        path,
        body: None,
        content_type: "application/json",
        key: None,
        if_version: None,
        last: None,
        wait: Duration::ZERO,
    }
}

impl Call<'_> {
    fn json<B: Serialize>(mut self, body: &B) -> Self {
        let text = serde_json::to_vec(body).expect("requests have string keys only");
        self.body = Some(text);
        self
    }
}

/// The first line of an answer that nobody expected.
fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.lines().next().unwrap_or_default().trim() {
        "" => "the answer is empty".into(),
        line => line.chars().take(120).collect(),
    }
}

/// One part of a path or query, percent-encoded.
pub fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A path with the parts of its query that are said.
fn with_query<'a>(
    path: &str,
    pairs: impl IntoIterator<Item = (&'a str, Option<String>)>,
) -> String {
    let mut out = path.to_owned();
    let mut sign = '?';
    for (name, value) in pairs {
        if let Some(value) = value {
            out.push(sign);
            out.push_str(name);
            out.push('=');
            out.push_str(&encoded(&value));
            sign = '&';
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Options {
        Options {
            url: url.into(),
            token: None,
            roots: Roots::default(),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn only_http_addresses_are_taken() {
        for url in ["http://a:1", "https://a"] {
            let client = Client::new(options(&format!("{url}/"))).unwrap();
            assert_eq!(client.url(), url);
        }
        for (url, part) in [
            ("ftp://a", "must look like"),
            ("https://", "must look like"),
            ("a:1", "must look like"),
            ("http://", "must look like"),
            ("http://a b", "cannot use"),
        ] {
            let error = Client::new(options(url)).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn a_query_is_encoded_and_leaves_out_what_is_not_said() {
        let pairs = [
            ("a", None),
            ("b", Some("x y:>1&z".into())),
            ("c", Some("1".into())),
        ];
        assert_eq!(with_query("/p", pairs), "/p?b=x%20y%3A%3E1%26z&c=1");
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let client = Client::new(options("http://127.0.0.1:1")).unwrap();
        let error = client.books().unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("connection refused"), "{error}");
    }
}
