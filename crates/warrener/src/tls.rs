//! Reads certificates and keys, and says what is wrong with them before anybody relies on them.

use crate::address::host;
use crate::config::Tls;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use warrener_api::problem::Problem;
use warrener_api::tls::{Roots, provider, words};

/// What a server needs to speak TLS.
#[derive(Clone, Debug)]
pub(crate) struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    /// The first is the server's own.
    chain: Vec<CertificateDer<'static>>,
    file: PathBuf,
}

/// Whom `https` trusts: the system's authorities, and those of a file.
pub(crate) fn roots(file: Option<&Path>) -> Result<Roots, Problem> {
    // A system without authorities, or with some that cannot be read, is one where fewer are trusted.
    let mut all = rustls_native_certs::load_native_certs().certs;
    if let Some(file) = file {
        all.extend(certificates("ca", file)?);
    }
    Ok(Roots::new(all))
}

/// Reads the files of a server.
pub(crate) fn server(files: &Tls) -> Result<ServerTls, Problem> {
    let chain = certificates("[server] tls_cert", &files.cert)?;
    let key = private_key(&files.key)?;
    if let Err(Error::InvalidCertificate(error)) = lifetime(&chain) {
        let hint = "put a certificate there that is for this server and valid now";
        return Err(wrong("[server] tls_cert", &files.cert, words(&error)).hint(hint));
    }
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|config| {
            config
                .with_no_client_auth()
                .with_single_cert(chain.clone(), key)
        });
    let mut config = config.map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            let reason = format!(
                "it is not the private key of the certificate in {}",
                files.cert.display()
            );
            wrong("[server] tls_key", &files.key, reason)
                .hint("name the key that the certificate was made with; the server's own certificate comes first in tls_cert")
        }
        other => wrong("[server] tls_cert", &files.cert, other),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(ServerTls {
        config: Arc::new(config),
        chain,
        file: files.cert.clone(),
    })
}

impl ServerTls {
    /// Whether the certificate is for the address that clients of this machine use.
    pub(crate) fn is_for(&self, url: &str) -> Result<(), Problem> {
        let no = |reason: String| {
            wrong("[server] tls_cert", &self.file, format!("{reason} ({url})")).hint(
                "set url under [server] to https:// with a name of the certificate and the port",
            )
        };
        if !url.starts_with("https://") {
            return Err(no("with it the server is found by https:// only".into()));
        }
        let name = host(url).trim_matches(['[', ']']);
        let name = ServerName::try_from(name).map_err(|e| no(e.to_string()))?;
        match parsed(&self.chain).and_then(|own| verify_server_name(&own, &name)) {
            Ok(()) => Ok(()),
            Err(Error::InvalidCertificate(error)) => Err(no(words(&error))),
            Err(error) => Err(no(error.to_string())),
        }
    }
}

fn parsed<'a>(chain: &'a [CertificateDer<'static>]) -> Result<ParsedCertificate<'a>, Error> {
    let own = chain.first().ok_or(Error::NoCertificatesPresented)?;
    ParsedCertificate::try_from(own)
}

/// Whether the certificate can be shown by a server now. Nobody is trusted here, so that a good one ends with the
/// question who has signed it.
fn lifetime(chain: &[CertificateDer<'static>]) -> Result<(), Error> {
    let checked = verify_server_cert_signed_by_trust_anchor(
        &parsed(chain)?,
        &RootCertStore::empty(),
        &chain[1..],
        UnixTime::now(),
        provider().signature_verification_algorithms.all,
    );
    match checked {
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Ok(()),
        other => other,
    }
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = read(key, file)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(wrong(key, file, "there is no certificate in it")
            .hint("it must be a PEM file with -----BEGIN CERTIFICATE-----")),
        Err(error) => Err(wrong(key, file, error)),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let key = "[server] tls_key";
    PrivateKeyDer::from_pem_slice(&read(key, file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => wrong(key, file, "there is no private key in it")
            .hint("it must be a PEM file with -----BEGIN PRIVATE KEY-----, and not encrypted"),
        error => wrong(key, file, error),
    })
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(file).map_err(|error| {
        wrong(key, file, error).hint("check the path and that this user may read the file")
    })
}

fn wrong(key: &str, file: &Path, reason: impl ToString) -> Problem {
    let detail = format!("{key} {}: {}", file.display(), reason.to_string());
    Problem::new("config_invalid", detail)
}
