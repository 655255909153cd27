//! Where a link goes, from the URL that a person wrote.

use tokio_tungstenite::tungstenite::http::Uri;
use warrener_api::link::PATH;
use warrener_backend::error::{Error, Result};

/// Where to connect to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// With the scheme of a WebSocket, and the link's path.
    pub(super) uri: Uri,
}

pub(super) fn read(url: &str) -> Result<Target> {
    let bad = |why: &str| Error::Invalid(format!("\"{url}\" is not the URL of a server: {why}"));
    let uri: Uri = url.parse().map_err(|_| bad("it cannot be read"))?;
    match uri.scheme_str() {
        Some("http" | "ws") => {}
        Some("https" | "wss") => return Err(bad("the link has no TLS; put it behind a tunnel")),
        _ => return Err(bad("it begins with http://")),
    }
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
    let uri = format!("ws://{authority}{path}{PATH}");
    Ok(Target {
        host,
        port: authority.port_u16().unwrap_or(80),
        uri: uri.parse().map_err(|_| bad("it cannot be read"))?,
    })
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
            ("http://p:1/team/", "p", 1, "ws://p:1/team/api/v1/link"),
        ] {
            let target = read(url).unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port));
            assert_eq!(target.uri.to_string(), uri);
        }
        for url in [
            "",
            "box7:8420",
            "https://box7",
            "ftp://box7",
            "http://",
            "http://a@b",
        ] {
            assert!(matches!(read(url), Err(Error::Invalid(_))), "{url}");
        }
    }
}
