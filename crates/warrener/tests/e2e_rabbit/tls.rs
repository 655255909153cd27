//! `amqps` through the binary: server and agent on a broker that they believe for its authority's sake, by password and
//! by certificate, and what they say of one that they do not believe.

use crate::harness::Place;
use crate::stage;
use serde_json::json;
use warrener_testkit::rabbit::{Authority, Node, Options, Tls};

fn node(tls: Tls) -> Node {
    Node::start(&Options {
        tls,
        ..Options::default()
    })
}

/// One task, from the submission to its result.
#[track_caller]
fn works(place: &Place) {
    let _server = place.server();
    let _agent = place.agent("ann", "", "echo '{\"by\":\"tls\"}'");
    let id = place.run("task submit --kind work -q").word();
    place.run(&format!("task wait {id} --timeout 30s")).exits(0);
    let result = place.run(&format!("task result {id}")).json();
    assert_eq!(result, json!({ "by": "tls" }));
    let http = place.http();
    assert_eq!(http.get("/readyz").status, 200);
    http.settled();
}

/// Neither a server nor an agent starts, and each says why; so does the check.
#[track_caller]
fn is_refused(place: &Place, why: &str) {
    for line in [
        "broker check",
        "server run --listen 127.0.0.1:0",
        "agent run --name ann -- true",
    ] {
        let ran = place.run(line).exits(7);
        assert_eq!(ran.out, "", "{line}");
        for word in ["broker_untrusted", "amqps://localhost", why] {
            let text = ran.err.to_lowercase();
            assert!(text.contains(word), "{line}: no {word:?} in {}", ran.err);
        }
        assert!(!ran.err.contains("guest:guest"), "{}", ran.err);
    }
    assert!(!place.path(".warrener/server.json").exists());
}

#[test]
fn a_task_goes_through_a_broker_with_tls_and_a_stranger_is_not_believed() {
    let node = node(Tls::Server);
    let url = node.url_tls("%2f");
    let place = stage::at(&url, || Place::with("[broker]\nca = \"broker.pem\""));
    place.write("broker.pem", &node.authority().certificate());
    works(&place);
    let found = place.run("broker check -o json").exits(0).json();
    assert!(found.to_string().contains("amqps://localhost"), "{found}");

    // The system's authorities do not know it, and another one has not signed it.
    let stranger = stage::at(&url, Place::new);
    is_refused(&stranger, "unknownissuer");
    let other = Authority::new();
    let wrong = stage::at(&url, || Place::with("[broker]\nca = \"other.pem\""));
    wrong.write("other.pem", &other.certificate());
    is_refused(&wrong, "certificate");
    // A file that is not there is a mistake of the configuration.
    let nowhere = stage::at(&url, || Place::with("[broker]\nca = \"no-such.pem\""));
    let words = ["config_invalid", "no-such.pem"];
    nowhere
        .run("server run --listen 127.0.0.1:0")
        .fails(2, &words);
    nowhere.run("agent run --name ann -- true").fails(2, &words);
    nowhere.run("broker check").fails(2, &words);
}

#[test]
fn a_certificate_logs_in_where_the_url_names_no_user() {
    let node = node(Tls::Mutual);
    node.eval(
        r#"ok = rabbit_auth_backend_internal:add_user(<<"warrener">>, <<"no one types this">>, <<"test">>),
        ok = rabbit_auth_backend_internal:set_permissions(
            <<"warrener">>, <<"/">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)."#,
    );
    let url = node.url_tls("%2f").replace("guest:guest@", "");
    let settings = "[broker]\nca = \"ca.pem\"\ncert = \"cert.pem\"\nkey = \"key.pem\"";
    let place = stage::at(&url, || Place::with(settings));
    let identity = node.authority().client("warrener");
    place.write("ca.pem", &node.authority().certificate());
    place.write("cert.pem", &identity.certificate);
    place.write("key.pem", &identity.key);
    works(&place);
    place.run("broker check").exits(0);

    // Half of it is a mistake.
    place.write(
        "half.toml",
        "[broker]\nca = \"ca.pem\"\ncert = \"cert.pem\"",
    );
    let words = ["config_invalid", "needs key"];
    place
        .run("broker check --config half.toml")
        .fails(2, &words);
    // With none, and with a stranger's, the broker hangs up: it may say why before that, or not.
    let none = stage::at(&url, || Place::with("[broker]\nca = \"ca.pem\""));
    let liar = stage::at(&url, || Place::with(settings));
    let false_one = Authority::new().client("warrener");
    liar.write("cert.pem", &false_one.certificate);
    liar.write("key.pem", &false_one.key);
    for place in [none, liar] {
        place.write("ca.pem", &node.authority().certificate());
        let ran = place.run("broker check").exits(7);
        assert!(ran.err.contains("broker_un"), "{}", ran.err);
        assert!(ran.err.contains("certificate"), "{}", ran.err);
    }
}
