//! Where to connect, as whom, and with which certificates. Nothing of it is ever printed but host, port and vhost.

use crate::settings::Settings;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use std::fmt;
use std::path::Path;
use warrener_backend::error::{Error, Result};

/// What messages may be large: RabbitMQ's own limit from 4.0 on. A larger one ends the channel instead of being refused.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) uri: AMQPUri,
    ca: Option<String>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Target {
    /// Reads the settings and the files they name.
    ///
    /// # Errors
    /// `Invalid`: what is wrong, never with the URL itself in it.
    pub(crate) fn read(settings: &Settings) -> Result<Target> {
        let shape = "amqp://user:password@host:port/vhost, or amqps://…";
        let mut uri: AMQPUri = settings
            .url
            .parse()
            .map_err(|_| Error::Invalid(format!("the broker's URL is not of the form {shape}")))?;
        let ca = settings.ca.as_deref().map(text).transpose()?;
        let identity = match (&settings.cert, &settings.key) {
            (Some(cert), Some(key)) => Some((bytes(cert)?, bytes(key)?)),
            (None, None) => None,
            _ => {
                return Err(Error::Invalid(
                    "a client certificate needs both files, certificate and key".into(),
                ));
            }
        };
        let tls = uri.scheme == AMQPScheme::AMQPS;
        if !tls && (ca.is_some() || identity.is_some()) {
            return Err(Error::Invalid(
                "certificates are given, but the broker's URL begins with amqp://; for TLS it is amqps://".into(),
            ));
        }
        // The parser puts guest where nobody is named.
        let anonymous = !settings.url.contains('@');
        if identity.is_some() && anonymous && uri.query.auth_mechanism.is_none() {
            uri.query.auth_mechanism = Some(SASLMechanism::External);
        }
        uri.query.heartbeat = Some(whole_seconds(settings.heartbeat.as_millis()));
        let connect_ms = u64::try_from(settings.connect_deadline.as_millis());
        uri.query.connection_timeout = Some(connect_ms.unwrap_or(u64::MAX));
        Ok(Target { uri, ca, identity })
    }

    /// Who logs in, if that is known to this end.
    pub(crate) fn user(&self) -> Option<&str> {
        match self.uri.query.auth_mechanism.unwrap_or_default() {
            SASLMechanism::External => None,
            _ => Some(&self.uri.authority.userinfo.username),
        }
    }

    /// User and password of the URL.
    pub(crate) fn login(&self) -> (&str, &str) {
        let named = &self.uri.authority.userinfo;
        (&named.username, &named.password)
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    /// Where in the broker it works.
    pub(crate) fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    pub(super) fn tls(&self) -> OwnedTLSConfig {
        OwnedTLSConfig {
            identity: self
                .identity
                .clone()
                .map(|(pem, key)| OwnedIdentity::PKCS8 { pem, key }),
            cert_chain: self.ca.clone(),
        }
    }
}

fn whole_seconds(millis: u128) -> u16 {
    // None at all would never notice a dead peer.
    u16::try_from(millis.div_ceil(1000))
        .unwrap_or(u16::MAX)
        .max(1)
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Error::Invalid(format!("cannot read {}: {error}", path.display())))
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(bytes(path)?)
        .map_err(|_| Error::Invalid(format!("{} is not PEM", path.display())))
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let authority = &self.uri.authority;
        let (host, port, vhost) = (&authority.host, authority.port, &self.uri.vhost);
        write!(f, "{scheme}://{host}:{port}, vhost {vhost}")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target> {
        Target::read(&Settings {
            url: url.into(),
            ..Settings::default()
        })
    }

    #[test]
    fn neither_user_nor_password_are_ever_printed() {
        let settings = Settings {
            url: "amqp://smith:s3cret@broker:5673/blue?heartbeat=4".into(),
            ..Settings::default()
        };
        let target = Target::read(&settings).unwrap();
        for text in [
            target.to_string(),
            format!("{target:?}"),
            format!("{settings:?}"),
        ] {
            assert!(
                !text.contains("s3cret") && !text.contains("smith"),
                "{text}"
            );
        }
        assert_eq!(target.to_string(), "amqp://broker:5673, vhost blue");
        assert_eq!(target.user(), Some("smith"));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_being_repeated() {
        for url in ["amqp://a:s3cret@[/x", "http://a:s3cret@b/", "s3cret", ""] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains("amqp://user:password@host"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn certificates_need_each_other_and_tls() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = Some(file.path().to_path_buf());
        let refused = |settings: Settings| Target::read(&settings).unwrap_err().to_string();
        let half = Settings {
            url: "amqps://b/".into(),
            cert: path.clone(),
            ..Settings::default()
        };
        assert!(refused(half).contains("both files"));
        let plain = Settings {
            url: "amqp://b/".into(),
            ca: path,
            ..Settings::default()
        };
        assert!(refused(plain).contains("amqps://"));
        let missing = Settings {
            url: "amqps://b/".into(),
            ca: Some("no/such/file".into()),
            ..Settings::default()
        };
        assert!(refused(missing).contains("no/such/file"));
    }
}
