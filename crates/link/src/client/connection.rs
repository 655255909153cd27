//! One connection of a client: who waits for what, and which subscriptions it carries. Ends with the
//! connection; nothing of it passes to the next.

use super::Connection;
use super::thread::Socket;
use crate::frame::{Frame, SocketError};
use crate::outbox::{Outbox, Stuck, outbox};
use crate::wire::{self, LINK};
use futures_util::{Stream, StreamExt};
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use warrener_api::link::{self, Answer, Problem, Reply, ToClient, ToServer};
use warrener_backend::broker::{Delivery, End, Subscription, Verdict};
use warrener_backend::error::{Error, Result};

/// Pings without a sign of life that end a connection.
const MISSES: u32 = 3;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the handles ask of the thread.
pub(super) enum Command {
    /// A request.
    Ask {
        n: u64,
        text: String,
        reply: oneshot::Sender<Heard>,
    },
    /// A request for deliveries.
    Subscribe {
        n: u64,
        text: String,
        reply: oneshot::Sender<Result<Subscription>>,
    },
    /// A verdict; nothing on another connection than the one that delivered.
    Settle {
        connection: u64,
        sub: u64,
        tag: u64,
        verdict: Verdict,
    },
    /// No more of a subscription.
    Enough { connection: u64, sub: u64 },
    /// The end of a subscription.
    Close {
        connection: u64,
        sub: u64,
        clean: bool,
    },
}

/// What came of a request.
pub(super) enum Heard {
    Answer(Answer),
    Problem(Problem),
    /// It never left.
    NotSent(Error),
    /// It may have arrived; no answer came.
    Lost(String),
}

/// What [`run`] needs.
pub(super) struct Run<'a, S> {
    pub(super) socket: S,
    pub(super) number: u64,
    pub(super) commands: &'a mut mpsc::UnboundedReceiver<Command>,
    pub(super) back: mpsc::WeakUnboundedSender<Command>,
    pub(super) state: &'a watch::Sender<Connection>,
    pub(super) ping: Duration,
    pub(super) stop: &'a CancellationToken,
}

/// Works on a connection until it ends. Whoever waits for something on it hears of the end when the
/// state of the link says so already: who tries again at once finds no link that seems to be up.
pub(super) async fn run<S: Socket>(run: Run<'_, S>) {
    let (sink, mut stream) = run.socket.split();
    let (out, waiting) = outbox();
    let mut ticks = interval(run.ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut live = Live {
        number: run.number,
        back: run.back,
        out,
        asked: HashMap::new(),
        subscribing: HashMap::new(),
        subs: HashMap::new(),
        silent: 0,
    };
    let mut writer = pin!(waiting.write(sink, run.ping.saturating_mul(MISSES)));
    let (reason, writes) = tokio::select! {
        reason = live.work(&mut stream, run.commands, &mut ticks, run.stop) => (reason, true),
        stuck = &mut writer => match stuck {
            Err(Stuck::Broken(why)) => (why, false),
            Err(Stuck::Stalled) | Ok(()) => ("the server does not read".into(), false),
        },
    };
    run.state.send_replace(Connection::Away { reason });
    if !writes || !run.stop.is_cancelled() {
        return;
    }
    // On purpose, so what was said before (verdicts above all) still goes out, if it can.
    let farewell = Frame::Close {
        code: 1000,
        reason: String::new(),
    };
    live.out.push(farewell);
    drop(live);
    let _ = timeout(GOODBYE, async {
        let _ = writer.await;
        while let Some(Ok(_)) = stream.next().await {}
    })
    .await;
}

struct Live {
    number: u64,
    back: mpsc::WeakUnboundedSender<Command>,
    out: Outbox,
    asked: HashMap<u64, oneshot::Sender<Heard>>,
    subscribing: HashMap<u64, oneshot::Sender<Result<Subscription>>>,
    subs: HashMap<u64, mpsc::UnboundedSender<Delivery>>,
    /// Pings since something was heard. Counted, not measured: a machine that slept is no silent
    /// server.
    silent: u32,
}

impl Live {
    /// All arms are cancel safe: streams and channels keep what they have.
    async fn work<S>(
        &mut self,
        stream: &mut S,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        ticks: &mut Interval,
        stop: &CancellationToken,
    ) -> String
    where
        S: Stream<Item = std::result::Result<Frame, SocketError>> + Unpin,
    {
        loop {
            let step = tokio::select! {
                frame = stream.next() => self.frame(frame),
                Some(command) = commands.recv() => {
                    self.command(command);
                    Ok(())
                }
                _ = ticks.tick() => self.tick(),
                () = stop.cancelled() => {
                    while let Ok(command) = commands.try_recv() {
                        self.command(command);
                    }
                    Err("it was closed".into())
                }
            };
            if let Err(reason) = step {
                return reason;
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Ask { n, text, reply } => {
                self.asked.insert(n, reply);
                self.out.push(Frame::Text(text));
            }
            Command::Subscribe { n, text, reply } => {
                self.subscribing.insert(n, reply);
                self.out.push(Frame::Text(text));
            }
            Command::Settle {
                connection,
                sub,
                tag,
                verdict,
            } if connection == self.number => {
                // A reader that leaves gives back what it did not read; its end, which is next, says
                // that for all at once, and does not deliver it to itself again in between.
                let leaving = |reader: &mpsc::UnboundedSender<_>| {
                    verdict == Verdict::Requeue && reader.is_closed()
                };
                if self.subs.get(&sub).is_some_and(|reader| !leaving(reader)) {
                    let verdict = wire::verdict(verdict);
                    self.push(&ToServer::Settle(link::Settle { sub, tag, verdict }));
                }
            }
            Command::Close {
                connection,
                sub,
                clean,
            } if connection == self.number => {
                if self.subs.remove(&sub).is_some() {
                    self.push(&ToServer::Close(link::Close { sub, clean }));
                }
            }
            Command::Enough { connection, sub } if connection == self.number => {
                self.push(&ToServer::Enough(link::Enough { sub }));
            }
            Command::Settle { .. } | Command::Enough { .. } | Command::Close { .. } => {}
        }
    }

    fn frame(
        &mut self,
        frame: Option<std::result::Result<Frame, SocketError>>,
    ) -> std::result::Result<(), String> {
        self.silent = 0;
        match frame {
            Some(Ok(Frame::Text(text))) => match ToClient::read(&text) {
                Ok(frame) => {
                    self.hear(frame);
                    Ok(())
                }
                Err(error) => Err(format!("the server sent no frame of this link: {error}")),
            },
            Some(Ok(Frame::Ping | Frame::Pong)) => Ok(()),
            Some(Ok(Frame::Binary)) => Err("the server sent no frame of this link".into()),
            Some(Ok(Frame::Close { code, reason })) => {
                Err(format!("the server closed the link: {code} {reason}"))
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("end of stream".into()),
        }
    }

    fn hear(&mut self, frame: ToClient) {
        match frame {
            ToClient::Reply(reply) => self.reply(reply),
            ToClient::Deliver(deliver) => {
                // Not there: it was closed while this was on its way, and goes back by that.
                let Some(reader) = self.subs.get(&deliver.sub) else {
                    return;
                };
                let back = Box::new(Back {
                    connection: self.number,
                    sub: deliver.sub,
                    tag: deliver.tag,
                    commands: self.back.clone(),
                });
                let message = wire::message(deliver.message);
                // A reader that just left drops it, which gives it back.
                let _ = reader.send(Delivery::new(message, deliver.redelivered, back));
            }
            ToClient::Over(over) => drop(self.subs.remove(&over.sub)),
        }
    }

    fn reply(&mut self, reply: Reply) {
        let Reply { n, ok, problem } = reply;
        let heard = match (ok, problem) {
            (Some(answer), _) => Heard::Answer(answer),
            (None, Some(problem)) => Heard::Problem(problem),
            (None, None) => Heard::Lost("the server answered nothing".into()),
        };
        if let Some(waiting) = self.asked.remove(&n) {
            // Whoever asked may have given up; then nobody misses the answer.
            let _ = waiting.send(heard);
            return;
        }
        let waiting = self.subscribing.remove(&n);
        match (heard, waiting) {
            (Heard::Answer(Answer::Sub(_)), Some(waiting)) => self.subscribed(n, waiting),
            (Heard::Answer(Answer::Sub(_)), None) => {
                let clean = true;
                self.push(&ToServer::Close(link::Close { sub: n, clean }));
            }
            (Heard::Problem(problem), Some(waiting)) => {
                let _ = waiting.send(Err(wire::error(problem)));
            }
            (_, Some(waiting)) => {
                let _ = waiting.send(Err(super::confused()));
            }
            (_, None) => {}
        }
    }

    fn subscribed(&mut self, n: u64, waiting: oneshot::Sender<Result<Subscription>>) {
        let (deliveries, receiver) = mpsc::unbounded_channel();
        self.subs.insert(n, deliveries);
        let back = Back {
            connection: self.number,
            sub: n,
            tag: 0,
            commands: self.back.clone(),
        };
        let subscription = Subscription::new(receiver, Box::new(back));
        if let Err(Ok(unwanted)) = waiting.send(Ok(subscription)) {
            // Nobody ever read it, so nobody died.
            unwanted.close();
        }
    }

    fn tick(&mut self) -> std::result::Result<(), String> {
        if self.silent > MISSES {
            return Err("nothing was heard of the server".into());
        }
        self.silent += 1;
        self.asked.retain(|_, waiting| !waiting.is_closed());
        self.out.push(Frame::Ping);
        Ok(())
    }

    fn push(&self, frame: &ToServer) {
        self.out.push(Frame::Text(frame.write()));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let reason = "the link ended";
        for (_, waiting) in self.asked.drain() {
            let _ = waiting.send(Heard::Lost(reason.into()));
        }
        for (_, waiting) in self.subscribing.drain() {
            let _ = waiting.send(Err(Error::unavailable(LINK, reason)));
        }
    }
}

/// The way back from a subscription, or one of its deliveries, to the thread.
struct Back {
    connection: u64,
    sub: u64,
    tag: u64,
    commands: mpsc::WeakUnboundedSender<Command>,
}

impl Back {
    fn say(&self, command: Command) {
        // No handle of the link is left: the server takes back what was out when it ends.
        if let Some(commands) = self.commands.upgrade() {
            let _ = commands.send(command);
        }
    }
}

impl warrener_backend::broker::Settle for Back {
    fn settle(self: Box<Self>, verdict: Verdict) {
        self.say(Command::Settle {
            connection: self.connection,
            sub: self.sub,
            tag: self.tag,
            verdict,
        });
    }
}

impl End for Back {
    fn end(self: Box<Self>, clean: bool) {
        self.say(Command::Close {
            connection: self.connection,
            sub: self.sub,
            clean,
        });
    }

    fn enough(&self) {
        self.say(Command::Enough {
            connection: self.connection,
            sub: self.sub,
        });
    }
}
