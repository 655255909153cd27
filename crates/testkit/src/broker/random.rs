//! Many operations in no order: compared with a model of three numbers, and all at once.

use super::Harness;
use super::talk::{
    depth_is, eventually, lane, next, note, number, offers, publish, read, readers_are, to, who,
    within,
};
use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use warrener_backend::broker::{Address, Broker, Delivery, Receipt, Subscription, Verdict};

const OPERATIONS: u32 = 150;
const READERS: usize = 3;

struct Reader {
    subscription: Subscription,
    credit: u64,
    held: Vec<Delivery>,
}

impl Reader {
    /// Takes all that is there.
    fn look(&mut self) {
        while let Some(delivery) = self.subscription.try_next() {
            self.held.push(delivery);
        }
    }
}

/// The model: what is in the broker, what of it readers can hold, and who reads. After each
/// operation the broker must come to the same numbers.
pub async fn random_operations_agree_with_a_simple_model<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    server.ensure(from_ref(&one)).await.expect("it is up");
    let agent = h.agent(&who("ann"), &[lane("one")]).await;
    let mut dice = fastrand::Rng::with_seed(20_241);
    let mut readers: Vec<Reader> = Vec::new();
    let mut inside: BTreeMap<u64, u32> = BTreeMap::new();
    for n in 0..u64::from(OPERATIONS) {
        match dice.u32(..10) {
            0..=3 => {
                let full = inside.len() as u64 >= credit(&readers) + h.bounds().offers as u64;
                let receipt = publish(&server, &one, note(n)).await;
                if full {
                    assert_eq!(receipt, Receipt::Full);
                } else {
                    assert_eq!(receipt, Receipt::Confirmed);
                    inside.insert(n, 0);
                }
            }
            4 if readers.len() < READERS => {
                let credit = dice.u32(1..4);
                readers.push(Reader {
                    subscription: read(&agent, &one, credit).await,
                    credit: credit.into(),
                    held: Vec::new(),
                });
            }
            5 if !readers.is_empty() && dice.bool() => {
                drop(readers.swap_remove(dice.usize(..readers.len())));
            }
            _ if !readers.is_empty() => {
                let reader = dice.usize(..readers.len());
                let verdict = if dice.u8(..4) == 0 {
                    Verdict::Requeue
                } else {
                    Verdict::Ack
                };
                settle_one(&mut readers[reader], verdict, &mut inside).await;
            }
            _ => {}
        }
        let total = inside.len() as u64;
        let held = total.min(credit(&readers));
        depth_is(&server, &one, total - held, held).await;
        readers_are(&server, &one, readers.len() as u64).await;
    }
    drop(readers);
    let mut last = read(&agent, &one, 1).await;
    let mut left = BTreeSet::new();
    for _ in 0..inside.len() {
        let delivery = next(&mut last).await;
        left.insert(number(&delivery.message));
        delivery.ack();
    }
    assert_eq!(left, inside.into_keys().collect());
    depth_is(&server, &one, 0, 0).await;
}

fn credit(readers: &[Reader]) -> u64 {
    readers.iter().map(|reader| reader.credit).sum()
}

async fn settle_one(reader: &mut Reader, verdict: Verdict, inside: &mut BTreeMap<u64, u32>) {
    reader.look();
    let Some(delivery) = reader.held.pop() else {
        return;
    };
    let n = number(&delivery.message);
    let before = inside
        .get_mut(&n)
        .expect("what is gone does not come again");
    if delivery.redelivered {
        *before = (*before).max(1);
    }
    // Counted by what this reader gave back itself; an ended reader's share is not known to it.
    if *before > 0 {
        assert!(delivery.redelivered, "{n} was seen before");
    }
    // Too often, and it would be a dead letter, which the model does not know.
    let verdict = if *before > 4 { Verdict::Ack } else { verdict };
    match verdict {
        Verdict::Ack => {
            inside.remove(&n);
        }
        Verdict::Requeue | Verdict::Reject(_) => *before += 1,
    }
    delivery.settle(verdict);
}

const PUBLISHERS: u64 = 4;
const EACH: u64 = 200;
/// How long a reader holds what it has while nothing comes.
const PATIENCE: Duration = Duration::from_millis(20);

/// At least once: every number that was confirmed is acknowledged by somebody, whatever the
/// readers do, and no number comes that was never sent.
pub async fn many_publishers_and_readers_lose_nothing_that_was_confirmed<H: Harness>(h: H) {
    let server = h.server().await;
    let one = offers("one");
    let both = [one.clone(), Address::Dead];
    server.ensure(&both).await.expect("it is up");
    let done: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let mut readers = JoinSet::new();
    for (seed, name) in (1..).zip(["ann", "ben", "cid"]) {
        let agent = h.agent(&who(name), &[lane("one")]).await;
        readers.spawn(careless_reader(agent, one.clone(), done.clone(), seed));
    }
    let mut publishers = JoinSet::new();
    for p in 0..PUBLISHERS {
        let (server, one) = (server.clone(), one.clone());
        publishers.spawn(async move {
            for n in p * EACH..(p + 1) * EACH {
                // Full is part of it: there is more work than room.
                loop {
                    let receipts = server.publish(vec![to(&one, note(n))]).await;
                    match receipts.expect("it is up")[0] {
                        Receipt::Confirmed => break,
                        Receipt::Full => tokio::task::yield_now().await,
                        Receipt::Unroutable | Receipt::Unknown => panic!("{n} is lost"),
                    }
                }
            }
        });
    }
    within("the last publisher", publishers.join_all()).await;
    let mut dead = read(&server, &Address::Dead, 100).await;
    eventually("the last number", || {
        while let Some(letter) = dead.try_next() {
            done.lock()
                .expect("nobody panics")
                .insert(number(&letter.message));
            letter.ack();
        }
        let all = done.lock().expect("nobody panics").len() as u64 == PUBLISHERS * EACH;
        async move { all }
    })
    .await;
    let seen = done.lock().expect("nobody panics").clone();
    assert_eq!(seen, (0..PUBLISHERS * EACH).collect());
    readers.abort_all();
    while readers.join_next().await.is_some() {}
}

/// Acknowledges, gives back, forgets, and now and then leaves with what it holds.
async fn careless_reader(
    agent: Arc<dyn Broker>,
    from: Address,
    done: Arc<Mutex<BTreeSet<u64>>>,
    seed: u64,
) {
    let mut dice = fastrand::Rng::with_seed(seed);
    loop {
        let credit = dice.usize(1..6);
        let mut subscription = read(&agent, &from, credit as u32).await;
        let mut held = Vec::new();
        for _ in 0..dice.u32(20..60) {
            let Ok(delivery) = timeout(PATIENCE, subscription.next()).await else {
                // Perhaps all that is left is in these hands, and in those of others like these.
                held.clear();
                continue;
            };
            let Some(delivery) = delivery else { return };
            held.push(delivery);
            // With as much as its credit in its hands it would wait for ever.
            if held.len() < credit && dice.bool() {
                continue;
            }
            let delivery = held.swap_remove(dice.usize(..held.len()));
            let number = number(&delivery.message);
            match dice.u8(..8) {
                0 => drop(delivery),
                1 => delivery.settle(Verdict::Requeue),
                _ => {
                    done.lock().expect("nobody panics").insert(number);
                    delivery.ack();
                }
            }
        }
    }
}
