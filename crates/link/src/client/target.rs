//! Where a link goes, from the URL that a person wrote.

use std::sync::Arc;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::http::Uri;
use warrener_api::link::PATH;
use warrener_api::tls::Roots;
use warrener_backend::error::{Error, Result};

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// With the scheme of a WebSocket (never that with TLS), and the link's path.
    pub(super) uri: Uri,
    pub(super) tls: Option<Tls>,
}

/// Who must answer, and how it shows that.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) name: ServerName<'static>,
    pub(super) config: Arc<ClientConfig>,
}

pub(super) fn read(url: &str, roots: &Roots) -> Result<Target> {
    let bad = |why: &str| Error::Invalid(format!("\"{url}\" is not the URL of a server: {why}"));
    let uri: Uri = url.parse().map_err(|_| bad("it cannot be read"))?;
    let secure = match uri.scheme_str() {
        Some("http" | "ws") => false,
        Some("https" | "wss") => true,
        _ => return Err(bad("it begins with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("a user does not belong into it"));
    }
    // As a name to look up an IPv6 address has no brackets.
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    if host.is_empty() {
        return Err(bad("it has no host"));
    }
    let path = uri.path().trim_end_matches('/');
    // Whoever reads this as a WebSocket has the bytes behind TLS already.
    let uri = format!("ws://{authority}{path}{PATH}");
    let tls = secure.then(|| tls(&host, roots).map_err(|why| bad(&why)));
    Ok(Target {
        port: authority
            .port_u16()
            .unwrap_or(if secure { 443 } else { 80 }),
        uri: uri.parse().map_err(|_| bad("it cannot be read"))?,
        tls: tls.transpose()?,
        host,
    })
}

fn tls(host: &str, roots: &Roots) -> std::result::Result<Tls, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    let config = roots.config().map_err(|e| e.to_string())?;
    Ok(Tls { name, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_the_link_is() {
        for (url, host, port, uri) in [
            (
                "http://box7:8420",
                "box7",
                8420,
                "ws://box7:8420/api/v1/link",
            ),
            ("http://box7", "box7", 80, "ws://box7/api/v1/link"),
            ("ws://[::1]:9/", "::1", 9, "ws://[::1]:9/api/v1/link"),
            ("https://box7/", "box7", 443, "ws://box7/api/v1/link"),
            ("wss://[::1]:10", "::1", 10, "ws://[::1]:10/api/v1/link"),
            ("http://p:1/team/", "p", 1, "ws://p:1/team/api/v1/link"),
        ] {
            let target = read(url, &Roots::default()).unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port));
            assert_eq!(target.uri.to_string(), uri);
            let secure = url.starts_with("https") || url.starts_with("wss");
            assert_eq!(target.tls.is_some(), secure, "{url}");
        }
        for url in [
            "",
            "box7:8420",
            "https://",
            "ftp://box7",
            "http://",
            "http://a@b",
        ] {
            assert!(
                matches!(read(url, &Roots::default()), Err(Error::Invalid(_))),
                "{url}"
            );
        }
    }
}
