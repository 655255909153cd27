//! TLS as clients speak it: whom they trust, and what went wrong, in words. The one place that names the provider of
//! cryptography; servers take it from here, too.

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Whoever does cryptography in this program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The authorities whose certificates are trusted; cheap to clone. Empty: none, so that `https` never works.
#[derive(Clone, Default)]
pub struct Roots(Arc<Vec<CertificateDer<'static>>>);

impl Roots {
    /// These and no others.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        Roots(Arc::new(certificates))
    }

    /// How to connect under them.
    ///
    /// # Errors
    /// The provider has no version of TLS that rustls speaks.
    pub fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut store = RootCertStore::empty();
        // Systems keep some that are older than the rules of today; what cannot be read vouches for nobody.
        store.add_parsable_certificates(self.0.iter().cloned());
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(store);
        Ok(Arc::new(config.with_no_client_auth()))
    }

    #[cfg(feature = "client")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.len())
    }
}

/// Why there is no TLS with whoever answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Who answers has not shown that it is who was meant.
    Untrusted(String),
    /// What answers does not speak TLS, or not as we do.
    NotTls(String),
}

impl Fault {
    /// What a connection's error says of TLS; nothing if it is about something else.
    pub fn of(error: &io::Error) -> Option<Fault> {
        let inner = error.get_ref()?;
        let error = inner.downcast_ref::<Error>()?;
        Some(match error {
            Error::InvalidCertificate(certificate) => Fault::Untrusted(words(certificate)),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => Fault::NotTls(
                "what answers there does not speak TLS; such a server has an http:// address"
                    .into(),
            ),
            other => Fault::NotTls(other.to_string()),
        })
    }
}

/// What is wrong with a certificate.
pub fn words(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        // By an authority of the same name, too.
        E::UnknownIssuer | E::BadSignature => {
            "its certificate is signed by nobody that is trusted here".into()
        }
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired".into(),
        E::NotValidYet | E::NotValidYetContext { .. } => "its certificate is not valid yet".into(),
        E::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
            format!(
                "its certificate is not for this name, but for {}",
                names.join(", ")
            )
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is not for this name".into()
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority, not of a server".into()
        }
        other => format!("its certificate is not good: {other}"),
    }
}

/// `DnsName("a.example")` and `IpAddress(127.0.0.1)` as people write them.
fn plain(name: &str) -> &str {
    let inside = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::ServerName;

    #[test]
    fn faults_are_told_in_words_and_other_errors_are_none() {
        let of = |error: Error| Fault::of(&io::Error::new(io::ErrorKind::InvalidData, error));
        let name = ServerName::try_from("a.example").unwrap();
        let presented = vec![
            "DnsName(\"b.example\")".into(),
            "IpAddress(127.0.0.1)".into(),
        ];
        let expected = name.to_owned();
        for (error, part) in [
            (CertificateError::UnknownIssuer, "nobody that is trusted"),
            (CertificateError::Expired, "has expired"),
            (CertificateError::NotValidForName, "not for this name"),
            (
                CertificateError::NotValidForNameContext {
                    expected,
                    presented,
                },
                "but for b.example, 127.0.0.1",
            ),
            (CertificateError::Revoked, "is not good"),
        ] {
            match of(error.into()) {
                Some(Fault::Untrusted(words)) => assert!(words.contains(part), "{words}"),
                other => panic!("{other:?}"),
            }
        }
        let http = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(matches!(of(http), Some(Fault::NotTls(words)) if words.contains("speak TLS")));
        assert_eq!(Fault::of(&io::ErrorKind::BrokenPipe.into()), None);
        assert_eq!(Fault::of(&io::Error::other("else")), None);
    }
}
