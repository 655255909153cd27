//! Publishing: one task for a connection, which sends batches within a window and answers with a receipt for each.
//!
//! A batch is answered when each of its messages has a receipt: confirmed, returned, refused, or unknown after its own
//! deadline. What was not sent when the connection ended or was blocked is an error of the whole batch if nothing of it
//! was sent, and unknown otherwise.

mod lane;

use crate::amqp::{Connection, Fault, Letter, Life};
use crate::settings::Settings;
use crate::supervisor::BROKER;
use lane::{Lane, Place};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;
use warrener_backend::broker::Receipt;
use warrener_backend::error::{Error, Result};

/// How many batches may wait for the task.
const BATCHES_MAX: usize = 64;

/// When the broker last let a deadline pass without a word: how a queue without a majority looks.
#[derive(Debug, Default)]
pub(crate) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    fn missed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn felt(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a message went unconfirmed within this time, and none was confirmed since.
    pub(crate) fn is_weak(&self, within: Duration) -> bool {
        let missed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        missed.is_some_and(|at| at.elapsed() < within)
    }
}

/// The exchanges that are known to exist. A publish to another one would end the channel, and with it the certainty
/// of all that is in flight.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashSet<String>>);

impl Known {
    pub(crate) fn has(&self, exchange: &str) -> bool {
        exchange.is_empty() || self.set(|known| known.contains(exchange))
    }

    pub(crate) fn add(&self, exchange: &str) {
        self.set(|known| known.insert(exchange.to_owned()));
    }

    fn forget(&self) {
        self.set(HashSet::clear);
    }

    fn set<R>(&self, act: impl FnOnce(&mut HashSet<String>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Job {
    letters: Vec<Letter>,
    reply: oneshot::Sender<Result<Vec<Receipt>>>,
}

/// The way to the task. It ends with its last handle, or with its connection.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    jobs: mpsc::Sender<Job>,
    wait: Duration,
}

impl Publisher {
    /// Starts the task, on the runtime this is called on.
    pub(crate) fn start(
        connection: Arc<Connection>,
        settings: Arc<Settings>,
        known: Arc<Known>,
        pulse: Arc<Pulse>,
    ) -> Publisher {
        let (jobs, inbox) = mpsc::channel(BATCHES_MAX);
        let wait = settings.confirm_deadline;
        let task = Task {
            life: connection.life(),
            connection,
            settings,
            known,
            pulse,
            jobs: inbox,
            lanes: Vec::new(),
            batches: HashMap::new(),
            backlog: VecDeque::new(),
            numbers: 0,
        };
        tokio::spawn(task.run());
        Publisher { jobs, wait }
    }

    /// Publishes all, in order.
    ///
    /// # Errors
    /// `Unavailable` when nothing was published, `NotAllowed` when the broker refuses the exchange.
    pub(crate) async fn publish(&self, letters: Vec<Letter>) -> Result<Vec<Receipt>> {
        let size = letters.len();
        let (reply, answer) = oneshot::channel();
        let over = || Error::unavailable(BROKER, "the connection ended");
        match timeout(self.wait, self.jobs.send(Job { letters, reply })).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(over()),
            Err(_) => return Err(Error::unavailable(BROKER, "too much waits to be published")),
        }
        // Each message has a deadline of its own, so the answer comes; without one the task is gone with its runtime.
        answer
            .await
            .unwrap_or_else(|_| Ok(vec![Receipt::Unknown; size]))
    }
}

/// A batch that is not answered yet.
struct Batch {
    receipts: Vec<Option<Receipt>>,
    left: usize,
    /// Whether anything of it was sent.
    begun: bool,
    /// The exchange, if all go to the same one.
    exchange: Option<String>,
    reply: oneshot::Sender<Result<Vec<Receipt>>>,
}

struct Task {
    connection: Arc<Connection>,
    life: watch::Receiver<Life>,
    settings: Arc<Settings>,
    known: Arc<Known>,
    pulse: Arc<Pulse>,
    jobs: mpsc::Receiver<Job>,
    /// One for each group, and those that are only answered for.
    lanes: Vec<Lane>,
    batches: HashMap<u64, Batch>,
    /// What is not sent yet.
    backlog: VecDeque<(Place, Letter)>,
    numbers: u64,
}

enum Woken {
    Job(Option<Job>),
    Heard(usize, std::result::Result<Vec<(Place, Receipt)>, Fault>),
    Deadline,
    Life,
}

impl Task {
    async fn run(mut self) {
        loop {
            let life = self.life.borrow_and_update().clone();
            match life {
                Life::Over(why) => return self.end(&why),
                Life::Blocked(why) => self.give_up_unsent(&format!("it is blocked: {why}")),
                Life::Up => self.pump().await,
            }
            match self.wait().await {
                Woken::Job(Some(job)) => self.accept(job),
                Woken::Job(None) => return,
                Woken::Heard(_, Ok(decided)) => self.decided(decided),
                Woken::Heard(lane, Err(fault)) => self.lane_ended(lane, &fault),
                Woken::Deadline => self.expire(),
                Woken::Life => {}
            }
            self.bury();
        }
    }

    /// Cancel safe: each arm keeps its state in `self`.
    async fn wait(&mut self) -> Woken {
        let deadline = self.lanes.iter_mut().filter_map(Lane::deadline).min();
        let (lanes, jobs, life) = (&mut self.lanes, &mut self.jobs, &mut self.life);
        let heard = poll_fn(|cx| {
            for (n, lane) in lanes.iter_mut().enumerate() {
                if let Poll::Ready(heard) = lane.poll(cx) {
                    return Poll::Ready((n, heard));
                }
            }
            Poll::Pending
        });
        tokio::select! {
            biased;
            changed = life.changed() => match changed {
                Ok(()) => Woken::Life,
                Err(_) => Woken::Job(None),
            },
            (lane, heard) = heard => Woken::Heard(lane, heard),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Woken::Deadline,
            job = jobs.recv(), if self.backlog.is_empty() => Woken::Job(job),
        }
    }

    fn accept(&mut self, job: Job) {
        self.numbers += 1;
        let first = job
            .letters
            .first()
            .map(|letter| letter.route.exchange.clone());
        let same = job
            .letters
            .iter()
            .all(|letter| Some(&letter.route.exchange) == first.as_ref());
        let batch = Batch {
            receipts: vec![None; job.letters.len()],
            left: job.letters.len(),
            begun: false,
            exchange: first.filter(|_| same),
            reply: job.reply,
        };
        self.batches.insert(self.numbers, batch);
        let number = self.numbers;
        let placed = job.letters.into_iter().enumerate();
        self.backlog
            .extend(placed.map(|(n, letter)| (Place(number, n), letter)));
    }

    /// Sends as much as there is room for.
    async fn pump(&mut self) {
        while let Some((_, letter)) = self.backlog.front() {
            let (id, group) = (letter.id, letter.route.group);
            if !self.lanes.iter().any(|lane| lane.serves(group)) {
                match Lane::open(&self.connection, group, self.settings.nacks_max).await {
                    Ok(lane) => self.lanes.push(lane),
                    Err(fault) => return self.give_up_unsent(fault.text()),
                }
            }
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.serves(group)) else {
                return;
            };
            if lane.in_flight() >= self.settings.window || lane.knows(id) {
                return;
            }
            if let Some((place, letter)) = self.backlog.pop_front() {
                if let Some(batch) = self.batches.get_mut(&place.0) {
                    batch.begun = true;
                }
                lane.send(
                    place,
                    letter,
                    Instant::now() + self.settings.confirm_deadline,
                );
            }
        }
    }

    fn decided(&mut self, decided: Vec<(Place, Receipt)>) {
        for (place, receipt) in decided {
            if matches!(receipt, Receipt::Confirmed) {
                self.pulse.felt();
            }
            self.answer(place, receipt);
        }
    }

    fn answer(&mut self, Place(number, n): Place, receipt: Receipt) {
        let Some(batch) = self.batches.get_mut(&number) else {
            return;
        };
        if batch.receipts[n].replace(receipt).is_none() {
            batch.left -= 1;
        }
        if batch.left == 0
            && let Some(batch) = self.batches.remove(&number)
        {
            let known = |receipt: Option<Receipt>| receipt.unwrap_or(Receipt::Unknown);
            let receipts = batch.receipts.into_iter().map(known).collect();
            // Nobody waits for those who wait no longer.
            let _ = batch.reply.send(Ok(receipts));
        }
    }

    /// Deadlines that have passed: their messages are unknown, and their channel takes no further ones.
    fn expire(&mut self) {
        let now = Instant::now();
        let passed: Vec<Place> = self
            .lanes
            .iter_mut()
            .flat_map(|lane| lane.expire(now))
            .collect();
        if passed.is_empty() {
            return;
        }
        self.pulse.missed();
        for place in passed {
            self.answer(place, Receipt::Unknown);
        }
    }

    /// The broker closed a channel.
    fn lane_ended(&mut self, lane: usize, fault: &Fault) {
        debug!(%fault, "a publishing channel ended");
        // An exchange that is gone is one reason for it.
        self.known.forget();
        let lane = self.lanes.remove(lane);
        for place in lane.places() {
            let refused = fault.is_refused()
                && self.batches.get(&place.0).is_some_and(|batch| {
                    let names = |name: &String| fault.text().contains(&format!("'{name}'"));
                    batch.exchange.as_ref().is_some_and(names)
                });
            if refused && let Some(batch) = self.batches.remove(&place.0) {
                self.backlog.retain(|(waiting, _)| waiting.0 != place.0);
                let _ = batch.reply.send(Err(Error::NotAllowed(fault.to_string())));
            } else {
                self.answer(place, Receipt::Unknown);
            }
        }
    }

    /// What was never sent: an error of its batch, unless some of that was sent.
    fn give_up_unsent(&mut self, why: &str) {
        for (place, _) in std::mem::take(&mut self.backlog) {
            let begun = self.batches.get(&place.0).is_none_or(|batch| batch.begun);
            if begun {
                self.answer(place, Receipt::Unknown);
            } else if let Some(batch) = self.batches.remove(&place.0) {
                let _ = batch.reply.send(Err(Error::unavailable(BROKER, why)));
            }
        }
    }

    /// Closes the channels that nobody waits for any more.
    fn bury(&mut self) {
        let done = |lane: &mut Lane| !lane.is_open() && lane.is_answered();
        for lane in self.lanes.extract_if(.., done) {
            // Apart, for on a blocked connection even a goodbye waits.
            tokio::spawn(async move { lane.close().await });
        }
    }

    fn end(mut self, why: &str) {
        self.give_up_unsent(why);
        for lane in std::mem::take(&mut self.lanes) {
            for place in lane.places() {
                self.answer(place, Receipt::Unknown);
            }
        }
        self.jobs.close();
        while let Ok(job) = self.jobs.try_recv() {
            let _ = job.reply.send(Err(Error::unavailable(BROKER, why)));
        }
    }
}
