//! Three nodes: a leader that dies takes nothing with it, and without a majority nothing is promised.

mod stage;

use stage::{HANG, blocking, quick, ready};
use std::sync::Arc;
use std::time::Duration;
use warrener_backend::broker::{Broker, Health, Receipt};
use warrener_model::id::StoreId;
use warrener_rabbitmq::{Limits, Role, Settings};
use warrener_testkit::broker::talk::{eventually, next, note, number, offers, read, to};
use warrener_testkit::rabbit::{Cluster, Options};

fn roomy(url: &str) -> Settings {
    Settings {
        limits: Limits::default(),
        ..quick(url, Role::Server)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_outlives_a_leader_and_a_minority_is_told_apart() {
    let cluster = Arc::new(blocking(|| Cluster::start(3, &Options::default())).await);
    let one = offers("one");
    let made = cluster.clone();
    let first: Arc<dyn Broker> = Arc::new(ready(roomy(&cluster.nodes()[0].url())).await);
    first
        .ensure(std::slice::from_ref(&one))
        .await
        .expect("it is up");
    let leader = blocking(move || made.leader("/", "agent.tasks.one")).await;
    let [here, other] = [1, 2].map(|n| (leader + n) % 3);
    let settings = Settings {
        confirm_deadline: Duration::from_secs(2),
        nacks_max: 5,
        ..roomy(&cluster.nodes()[here].url())
    };
    let server: Arc<dyn Broker> = Arc::new(ready(settings).await);

    let mut confirmed = 0;
    for n in 0..200 {
        if n == 50 {
            let dying = cluster.clone();
            blocking(move || dying.nodes()[leader].kill()).await;
        }
        // Whatever was not confirmed is sent again, as a server does.
        eventually("a confirm", || async {
            matches!(
                server.publish(vec![to(&one, note(n))]).await.as_deref(),
                Ok([Receipt::Confirmed])
            )
        })
        .await;
        confirmed += 1;
    }
    let mut reader = read(&server, &one, 100).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < confirmed {
        let delivery = next(&mut reader).await;
        seen.insert(number(&delivery.message));
        delivery.ack();
    }

    // From here on nothing can be confirmed. The node that is left may be silent, or pause itself and end its connections.
    let dying = cluster.clone();
    blocking(move || dying.nodes()[other].kill()).await;
    let confirmed = || async {
        let receipts = server.publish(vec![to(&one, note(999))]).await;
        matches!(receipts.as_deref(), Ok([Receipt::Confirmed]))
    };
    eventually("the loss of the majority", || async {
        assert!(!confirmed().await, "two of three are dead");
        matches!(server.health().await, Health::Down(_))
    })
    .await;
    let back = cluster.clone();
    blocking(move || back.nodes()[other].start_again()).await;
    eventually("a confirm by the majority that came back", confirmed).await;
    blocking(move || drop(cluster)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_in_an_election_ends_and_the_next_one_is_heard() {
    let cluster = Arc::new(blocking(|| Cluster::start(3, &Options::default())).await);
    let store = StoreId::from_bytes([1; 16]);
    let first = ready(roomy(&cluster.nodes()[0].url())).await;
    first.claim_ownership(store).await.expect("it is free");
    let asked = cluster.clone();
    let leader = blocking(move || asked.leader("/", "agent.owner")).await;
    let other = (0..3).find(|n| *n != leader).expect("three of them");
    let settings = Settings {
        answer_deadline: Duration::from_secs(2),
        confirm_deadline: Duration::from_secs(2),
        ..roomy(&cluster.nodes()[other].url())
    };
    let server = ready(settings).await;
    let dying = cluster.clone();
    let killing = tokio::task::spawn_blocking(move || dying.nodes()[leader].kill());
    // Into the election, at several of its moments. A claim may fail; it ends.
    let claims = (0..10u64).map(|n| {
        let server = server.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(n * 150)).await;
            let claim = server.claim_ownership(store);
            tokio::time::timeout(HANG, claim).await.expect("it ends")
        })
    });
    let claims: Vec<_> = claims.collect();
    for claim in claims {
        let _ = claim.await.expect("no panic");
    }
    killing.await.expect("it is dead");
    eventually("a claim", || async {
        server.claim_ownership(store).await.is_ok()
    })
    .await;
    blocking(move || drop(cluster)).await;
}
