//! Where a server is found: by programs of this machine, and by browsers.

use crate::config::Server;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// See above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// For the command line and the agents of this machine.
    pub(crate) url: String,
    /// For browsers; nothing if only a proxy knows.
    pub(crate) browser_url: Option<String>,
    /// Names beside those of loopback that requests may be meant for; none for any.
    pub(crate) hosts: Vec<String>,
}

impl Address {
    /// Of a server that is bound to this address.
    pub(crate) fn of(server: &Server, bound: SocketAddr) -> Self {
        let said = server.url.as_ref().map(|url| url.trim_end_matches('/'));
        let scheme = if server.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let here = format!("{scheme}://{}", reachable(bound));
        // Behind a proxy the address that was set is the proxy's, and without TLS nobody asks for a name.
        let url = match said.filter(|_| server.tls.is_some() && !server.behind_proxy) {
            Some(said) => said.to_owned(),
            None => here.clone(),
        };
        let browser_url = match server.behind_proxy {
            true => said.map(Into::into),
            false => Some(url.clone()),
        };
        let named = url != here && bound.ip().is_loopback();
        Address {
            hosts: named.then(|| host(&url).to_owned()).into_iter().collect(),
            url,
            browser_url,
        }
    }
}

/// Where a browser goes: what stands behind `#` is sent to nobody.
pub(crate) fn with_code(url: &str, code: &str) -> String {
    format!("{url}/#code={code}")
}

/// The host of an address, without its port; an IPv6 address has its brackets.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Who listens everywhere is found here, too.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Tls;

    #[test]
    fn a_server_is_found_where_it_can_be() {
        let tls = || Tls {
            cert: "c".into(),
            key: "k".into(),
        };
        let check = |bound: &str, url: Option<&str>, proxy, secure: bool| {
            let bound = bound.parse().unwrap();
            let server = Server {
                listen: bound,
                url: url.map(Into::into),
                behind_proxy: proxy,
                tls: secure.then(tls),
            };
            Address::of(&server, bound)
        };
        let address = |url: &str, browser: Option<&str>, hosts: &[&str]| Address {
            url: url.into(),
            browser_url: browser.map(Into::into),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        let (here, named) = ("http://127.0.0.1:7", "https://a.example:7");
        let secure = "https://127.0.0.1:7";
        for (found, wanted) in [
            (
                check("127.0.0.1:7", None, false, false),
                address(here, Some(here), &[]),
            ),
            // WARRENER_SERVER may name another server altogether.
            (
                check("127.0.0.1:7", Some(named), false, false),
                address(here, Some(here), &[]),
            ),
            (
                check("0.0.0.0:7", None, false, true),
                address(secure, Some(secure), &[]),
            ),
            (
                check("[::]:7", None, true, false),
                address("http://[::1]:7", None, &[]),
            ),
            (
                check("0.0.0.0:7", Some(named), true, false),
                address(here, Some(named), &[]),
            ),
            (
                check("0.0.0.0:7", Some("https://a.example:7/"), false, true),
                address(named, Some(named), &[]),
            ),
            (
                check("127.0.0.1:7", Some(named), false, true),
                address(named, Some(named), &["a.example"]),
            ),
        ] {
            assert_eq!(found, wanted);
        }
        assert_eq!(host("https://[::1]:9/x"), "[::1]");
        assert_eq!(with_code(here, "c"), "http://127.0.0.1:7/#code=c");
    }
}
