//! An authority made for one node, and what it signed: the server's certificate, and those of clients.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key, in PKCS#8.
    pub key: String,
}

/// Signs certificates; nobody else knows it.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// If the system has no randomness.
    #[must_use]
    #[track_caller]
    pub fn new() -> Authority {
        made(Authority::try_new())
    }

    fn try_new() -> Result<Authority, Error> {
        let mut params = named("warrener test authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Authority { issuer })
    }

    /// Its own certificate as PEM: what others are to trust.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// For a server on this machine.
    #[must_use]
    #[track_caller]
    pub fn server(&self) -> Identity {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        made(self.sign("localhost", names, ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// For a client of this name.
    #[must_use]
    #[track_caller]
    pub fn client(&self, name: &str) -> Identity {
        made(self.sign(name, Vec::new(), ExtendedKeyUsagePurpose::ClientAuth))
    }

    fn sign(
        &self,
        name: &str,
        names: Vec<String>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, Error> {
        let mut params = named(name, names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

fn named(name: &str, names: Vec<String>) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

#[track_caller]
fn made<T>(made: Result<T, Error>) -> T {
    made.unwrap_or_else(|e| panic!("a test certificate: {e}"))
}
