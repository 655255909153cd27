//! A queue that is full: what it does not take waits in the store, and comes when there is room.

use crate::harness::{Place, until};
use crate::raw::Raw;
use crate::stage;
use serde_json::json;

#[test]
fn offers_that_a_full_queue_refuses_wait_in_the_store_and_come_later() {
    let vhost = stage::vhost();
    let place = stage::at(&vhost.url(), Place::new);
    let _server = place.server();
    let http = place.http();
    // An operator's policy makes the queue smaller than the server did.
    vhost.node().eval(&format!(
        r#"ok = rabbit_policy:set(<<"{}">>, <<"small">>, <<"^agent[.]tasks$">>, [{{<<"max-length">>, 3}}], 0,
            <<"queues">>, <<"test">>)."#,
        vhost.name()
    ));
    // One that has room for all and reads nothing.
    let mut lazy = Raw::new(&vhost.url(), "lazy", "0000000d");
    lazy.join(40);
    let ids = http.batch(&vec![json!({ "kind": "work" }); 30]);
    until("a refusal of the queue", || {
        let back = ids.iter().filter(|id| http.times(id, "unoffered") > 0);
        (back.count() > 0).then_some(())
    });
    assert_eq!(http.books()["open"], 30);
    assert_eq!(http.get("/readyz").status, 200);
    drop(lazy);
    let _agent = place.agent("ann", "--concurrency 4", "echo '{}'");
    for id in &ids {
        http.ends(id, "succeeded");
        assert_eq!(http.times(id, "succeeded"), 1);
    }
    http.settled();
}
