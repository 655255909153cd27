//! Shared state is linearizable key by key: what clients with random requests were told while the server was killed again
//! and again is judged by the versions it kept.

use crate::harness::{Place, port, until};
use crate::http::{Http, Reply};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use warrener_testkit::history::{Act, Call, Held, judge};

const KEYS: [&str; 3] = ["a", "b", "c"];
const CLIENTS: u64 = 6;
const KILLS: usize = 4;
/// Answers between two kills.
const STRIDE: usize = 500;

/// One client: what it was told, by key.
struct Client {
    http: Http,
    dice: fastrand::Rng,
    clock: Instant,
    /// A number that no other client writes.
    number: u64,
    /// The version that it saw last, by key: what it sets its conditions by, right or not.
    seen: [u64; KEYS.len()],
    calls: [Vec<Call>; KEYS.len()],
}

/// What a client asks for.
enum Ask {
    Read,
    Write {
        value: Held,
        after: Option<u64>,
        /// With a request id, it is sent until it is answered.
        request: Option<String>,
    },
}

impl Client {
    fn ask(&mut self, key: usize) -> Ask {
        self.number += 1;
        let number = self.number;
        let (value, after) = match self.dice.u32(0..10) {
            0..=2 => return Ask::Read,
            3..=5 => (Some(number), Some(self.seen[key])),
            6 | 7 => (Some(number), None),
            // No condition "only if there is nothing": that is nothing to delete.
            8 => (None, Some(self.seen[key]).filter(|version| *version > 0)),
            _ => (None, None),
        };
        let request = self.dice.bool().then(|| format!("request-{number}"));
        Ask::Write {
            value,
            after,
            request,
        }
    }

    fn send(&self, key: usize, ask: &Ask) -> Option<Reply> {
        let place = format!("team/{}", KEYS[key]);
        let reply = match ask {
            Ask::Read => self.http.try_get(&format!("/api/v1/state/{place}")),
            Ask::Write {
                value,
                after,
                request,
            } => {
                let value = value.map(|value| json!(value));
                self.http
                    .try_write(&place, value.as_ref(), *after, request.as_deref())
            }
        };
        reply.ok().filter(|reply| reply.status != 503)
    }

    /// One request; whether it was answered.
    fn step(&mut self) -> bool {
        let key = self.dice.usize(0..KEYS.len());
        let ask = self.ask(key);
        let began = self.clock.elapsed();
        let reply = loop {
            let reply = self.send(key, &ask);
            let again = match &ask {
                Ask::Read => true,
                Ask::Write { request, .. } => request.is_some(),
            };
            if reply.is_some() || !again {
                break reply;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let ended = reply.is_some().then(|| self.clock.elapsed());
        let act = act(&ask, reply.as_ref());
        if let Act::Wrote { version, .. }
        | Act::Found { version, .. }
        | Act::Refused { version, .. } = act
        {
            self.seen[key] = version;
        }
        self.calls[key].push(Call { began, ended, act });
        reply.is_some()
    }
}

fn act(ask: &Ask, reply: Option<&Reply>) -> Act {
    let said = reply.map(|reply| (reply.status, reply.json()));
    let version = |said: &Value| said["version"].as_u64().unwrap();
    match (ask, said) {
        (Ask::Read, Some((200, said))) => Act::Found {
            value: said["value"].as_u64().unwrap(),
            version: version(&said),
        },
        (_, Some((404, _))) => Act::Nothing,
        (
            Ask::Write {
                after: Some(1..), ..
            },
            Some((409, said)),
        ) if version(&said) == 0 => Act::Nothing,
        (Ask::Write { value, after, .. }, Some((200, said))) => Act::Wrote {
            value: *value,
            after: *after,
            version: version(&said),
        },
        (
            Ask::Write {
                after: Some(after), ..
            },
            Some((409, said)),
        ) => Act::Refused {
            after: *after,
            version: version(&said),
        },
        (Ask::Write { value, .. }, None) => Act::Unknown { value: *value },
        (_, said) => panic!("{said:?}"),
    }
}

/// All versions of a key, the first one first.
fn versions(http: &Http, key: &str) -> Vec<Held> {
    let at = format!("/api/v1/state/team/{key}/history?limit=500");
    let mut page = http.get(&at).json();
    let mut found = Vec::new();
    loop {
        found.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        page = http.get(&format!("{at}&cursor={next}")).json();
    }
    found.reverse();
    let numbers: Vec<u64> = found
        .iter()
        .map(|one| one["version"].as_u64().unwrap())
        .collect();
    let all: Vec<u64> = (1..=found.len() as u64).collect();
    assert_eq!(numbers, all, "versions are numbered without a gap");
    found
        .iter()
        .map(|one| match one["deleted"].as_bool() {
            Some(true) => None,
            _ => Some(one["value"].as_u64().unwrap()),
        })
        .collect()
}

#[test]
fn what_clients_are_told_has_one_order_over_kills_of_the_server() {
    let seed = fastrand::u64(..);
    let place = Place::new();
    let port = port();
    let mut server = Some(place.server_on(port));
    let (answers, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (clock, mut dice) = (Instant::now(), fastrand::Rng::with_seed(seed));
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|n| Client {
            http: place.http(),
            dice: dice.fork(),
            clock,
            number: n * 1_000_000,
            seen: [0; KEYS.len()],
            calls: std::array::from_fn(|_| Vec::new()),
        })
        .collect();
    let clients: Vec<Client> = std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                scope.spawn(|| {
                    while !over.load(Ordering::Acquire) {
                        if client.step() {
                            answers.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                    client
                })
            })
            .collect();
        for kill in 1..=KILLS + 1 {
            until("answers", || {
                let enough = answers.load(Ordering::Acquire) >= kill * STRIDE;
                // A client that panicked is told below.
                (enough || running.iter().any(|one| one.is_finished())).then_some(())
            });
            if kill <= KILLS {
                server.take().unwrap().signal(Signal::KILL);
                server = Some(place.server_on(port));
            }
        }
        over.store(true, Ordering::Release);
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (n, key) in KEYS.iter().enumerate() {
        let calls: Vec<Call> = clients
            .iter()
            .flat_map(|one| one.calls[n].clone())
            .collect();
        let versions = versions(&place.http(), key);
        let sorts: [fn(&Act) -> bool; 4] = [
            |act| matches!(act, Act::Wrote { .. }),
            |act| matches!(act, Act::Found { .. }),
            |act| matches!(act, Act::Nothing),
            |act| matches!(act, Act::Refused { .. }),
        ];
        for sort in sorts {
            assert!(
                calls.iter().any(|call| sort(&call.act)),
                "the dice left something out"
            );
        }
        let faults = judge(&versions, &calls);
        assert!(
            faults.is_empty(),
            "{key}, seed {seed}, {} versions: {faults:#?}",
            versions.len()
        );
    }
}
