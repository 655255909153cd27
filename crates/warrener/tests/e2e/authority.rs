//! An authority of one test, and the certificates that it signs.

use crate::harness::Place;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// See above.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Writes its certificate, which whoever trusts it names.
    pub(crate) fn write(&self, place: &Place, name: &str) {
        place.write(name, &self.0.pem());
    }

    /// Writes `cert.pem` and `key.pem` of a server with these names.
    pub(crate) fn issue(&self, place: &Place, names: &[&str]) {
        self.issue_with(place, names, |_| {});
    }

    pub(crate) fn issue_with(
        &self,
        place: &Place,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        place.write("cert.pem", &cert.pem());
        place.write("key.pem", &key.serialize_pem());
    }
}
