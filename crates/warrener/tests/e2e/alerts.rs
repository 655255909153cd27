//! Alerts that go to a webhook: plain, and over TLS, of whom the configuration trusts and of nobody else.

use crate::authority::Authority;
use crate::harness::{Place, until};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// What a webhook's server is sent; it speaks TLS with these.
fn webhook(tls: Option<Arc<ServerConfig>>) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/alerts", listener.local_addr().unwrap());
    let (send, alerts) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let alert = match &tls {
                Some(tls) => {
                    let end = ServerConnection::new(tls.clone()).unwrap();
                    read(StreamOwned::new(end, stream))
                }
                None => read(stream),
            };
            // Whoever does not trust this end hangs up.
            if let Ok(alert) = alert {
                let _ = send.send(alert);
            }
        }
    });
    (url, alerts)
}

/// The body of one request, which is answered.
fn read(mut stream: impl Read + Write) -> std::io::Result<Value> {
    let mut from = BufReader::new(&mut stream);
    let (mut line, mut length) = (String::new(), 0);
    while from.read_line(&mut line)? > 2 {
        let lower = line.to_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    stream.flush()?;
    Ok(serde_json::from_slice(&body)?)
}

/// How a server with `cert.pem` and `key.pem` of this place speaks.
fn tls(place: &Place) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(place.path("cert.pem")).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(place.path("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

fn settings(url: &str) -> String {
    format!("[alert]\nwebhook = \"{url}\"\nno_capable_agent_after = \"200ms\"\n")
}

/// Work that nobody does, and what is said of it.
fn is_told(place: &Place, alerts: &Receiver<Value>) {
    let _server = place.server();
    place.http().submit(&json!({ "kind": "nobody" }));
    let alert = until("the alert", || alerts.try_recv().ok());
    assert_eq!(alert["alert"], "no_capable_agent", "{alert}");
    assert_eq!(alert["subject"], "default/nobody", "{alert}");
}

#[test]
fn a_webhook_is_told() {
    let (url, alerts) = webhook(None);
    is_told(&Place::with(&settings(&url)), &alerts);
}

#[test]
fn a_webhook_over_tls_is_told_if_it_is_trusted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Place::new();
    authority.issue(&files, &["127.0.0.1"]);
    let (url, alerts) = webhook(Some(tls(&files)));
    let [trusting, wary] = [&authority, &stranger].map(|authority| {
        let place = Place::with(&format!("ca = \"ca.pem\"\n{}", settings(&url)));
        authority.write(&place, "ca.pem");
        place
    });
    is_told(&trusting, &alerts);
    // Of one that it does not trust it says so, and works on.
    let server = wary.server();
    let http = wary.http();
    http.submit(&json!({ "kind": "nobody" }));
    until("a line in its log", || {
        let said = server.err();
        said.contains("alert not delivered").then_some(())
    });
    assert!(alerts.try_recv().is_err());
    let _agent = wary.agent("ann", "", "echo '{}'");
    let id = http.submit(&json!({ "kind": "work" }));
    http.ends(&id, "succeeded");
}
