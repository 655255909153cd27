//! Who the request believes to speak to. A page of another site that resolves its own name to this machine (DNS
//! rebinding) shows that name in `Host`; a page that simply calls this address shows its site in `Origin`.

use crate::failure::Failure;
use crate::options::ServerOptions;
use crate::state::App;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use warrener_api::Problem;

/// The names that this server answers to.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// Nothing: any name.
    names: Option<Vec<String>>,
    scheme: &'static str,
}

/// Refuses requests that are meant for somebody else.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    match app.hosts.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => Failure::from(problem).into_response(),
    }
}

impl Hosts {
    pub(crate) fn new(options: &ServerOptions, bound: SocketAddr) -> Self {
        let mut names: Vec<String> = options
            .allowed_hosts
            .iter()
            .map(|name| plain(name))
            .collect();
        let local = bound.ip().is_loopback();
        if local && !options.behind_proxy {
            names.extend(["localhost", "127.0.0.1", "[::1]"].map(Into::into));
            names.push(match bound {
                SocketAddr::V4(bound) => bound.ip().to_string(),
                SocketAddr::V6(bound) => format!("[{}]", bound.ip()),
            });
        }
        Hosts {
            names: (!names.is_empty()).then_some(names),
            scheme: if options.is_secure() { "https" } else { "http" },
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = only(headers, &header::HOST)?;
        if let Some(names) = &self.names {
            let name = host
                .map(|host| plain(without_port(host)))
                .unwrap_or_default();
            if !names.contains(&name) {
                let detail = format!(
                    "this server does not answer to the name \"{}\"",
                    short(&name)
                );
                let hint = "use http://127.0.0.1, or set url under [server] to the address that clients use";
                return Err(Problem::new("not_allowed", detail).hint(hint));
            }
        }
        let Some(origin) = only(headers, &header::ORIGIN)? else {
            return Ok(());
        };
        let own = host.map(|host| format!("{}://{host}", self.scheme));
        if own.is_some_and(|own| own.eq_ignore_ascii_case(origin)) {
            return Ok(());
        }
        let detail = format!(
            "pages of \"{}\" may not speak to this server",
            short(origin)
        );
        let hint = "only the server's own pages may; programs send no Origin";
        Err(Problem::new("not_allowed", detail).hint(hint))
    }
}

/// The one value of a header, as text. Twice the same header is a trick.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    let text = first.map(|value| value.to_str());
    match (text, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(Problem::new(
            "bad_request",
            format!("the header {name} cannot be read"),
        )),
    }
}

/// `localhost:7766` -> `localhost`, `[::1]:7766` -> `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            name
        }
        _ => host,
    }
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        hosts.check(&headers).is_ok()
    }

    #[test]
    fn a_loopback_server_answers_to_loopback_names_only() {
        let hosts = Hosts::new(&ServerOptions::default(), "127.0.0.1:7766".parse().unwrap());
        for host in [
            "localhost",
            "LOCALHOST:7766",
            "127.0.0.1:1",
            "[::1]:7766",
            "[::1]",
            "localhost.",
        ] {
            assert!(check(&hosts, host, None), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:7766",
            "::1",
            "[::2]",
        ] {
            assert!(!check(&hosts, host, None), "{host}");
        }
        assert!(hosts.check(&HeaderMap::new()).is_err());
        let six = Hosts::new(&ServerOptions::default(), "[::1]:7766".parse().unwrap());
        assert!(check(&six, "[::1]:7766", None));
    }

    #[test]
    fn an_origin_must_be_the_servers_own() {
        let hosts = Hosts::new(&ServerOptions::default(), "127.0.0.1:7766".parse().unwrap());
        assert!(check(
            &hosts,
            "localhost:7766",
            Some("http://localhost:7766")
        ));
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost:1",
            "https://localhost:7766",
        ] {
            assert!(!check(&hosts, "localhost:7766", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn elsewhere_names_are_checked_when_there_are_some_and_a_proxy_means_https() {
        let open = Hosts::new(&ServerOptions::default(), "0.0.0.0:7766".parse().unwrap());
        assert!(check(&open, "anything", None));
        let options = ServerOptions {
            allowed_hosts: vec!["Tasks.example".into()],
            behind_proxy: true,
            ..ServerOptions::default()
        };
        let named = Hosts::new(&options, "127.0.0.1:7766".parse().unwrap());
        assert!(check(
            &named,
            "tasks.example",
            Some("https://tasks.example")
        ));
        assert!(!check(
            &named,
            "tasks.example",
            Some("http://tasks.example")
        ));
        assert!(!check(&named, "localhost", None));
    }
}
