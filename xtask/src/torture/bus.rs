//! The broker of a run, where it is not in the server: private RabbitMQ nodes behind a bad network. Breaks them on a
//! thread of its own, one fault after the other, each over before the next one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fastrand::Rng;
use tokio::runtime::{Builder, Runtime};
use warrener_testkit::proxy::{Fault, Proxy};
use warrener_testkit::rabbit::{Alarm, Cluster, Node, Options};

use super::diary::Diary;
use super::witness::now;

/// The queue whose leader is looked for, below the namespace of the run.
const QUEUES: [&str; 2] = ["agent.results", "agent.tasks"];
/// Nodes of a cluster.
const SIZE: usize = 3;
const TICK: Duration = Duration::from_millis(10);
/// The vhost of a run, as URLs and as the broker write it.
const VHOST: (&str, &str) = ("%2f", "/");

/// Which broker a run has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// In the server's memory
    #[default]
    Embedded,
    /// A private RabbitMQ node, killed, stopped, cut off and started again
    Rabbitmq,
    /// Three of them, the leader of a queue killed
    Cluster,
}

/// What can go wrong, and how often it does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The node, or the one that leads a queue.
    Kill,
    Freeze,
    Cut,
    Hang,
    Alarm,
}

const ACTS: &[(Act, u32)] = &[
    (Act::Kill, 30),
    (Act::Cut, 30),
    (Act::Hang, 15),
    (Act::Freeze, 15),
    (Act::Alarm, 10),
];

#[derive(Debug)]
enum Nodes {
    One(Box<Node>),
    Three(Cluster),
}

/// See the module. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Bus {
    // First: its connections end before the nodes do.
    proxy: Proxy,
    nodes: Nodes,
    // Drives the proxy; ends last.
    _runtime: Runtime,
}

impl Bus {
    /// The broker of this sort, ready; none where it is the server's own.
    pub(crate) fn start(kind: Kind) -> io::Result<Option<Bus>> {
        let nodes = match kind {
            Kind::Embedded => return Ok(None),
            Kind::Rabbitmq => Nodes::One(Box::new(Node::start(&Options::default()))),
            Kind::Cluster => Nodes::Three(Cluster::start(SIZE, &Options::default())),
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let first = address(&nodes.all()[0]);
        let proxy = runtime.block_on(Proxy::start(first))?;
        Ok(Some(Bus {
            proxy,
            nodes,
            _runtime: runtime,
        }))
    }

    /// What servers and agents are told.
    pub(crate) fn url(&self) -> String {
        let port = self.proxy.port();
        format!("amqp://guest:guest@127.0.0.1:{port}/{}", VHOST.0)
    }

    /// For the report.
    pub(crate) fn describe(&self) -> String {
        let nodes = self.nodes.all();
        let version = nodes[0].install().version();
        format!("RabbitMQ {version}, nodes: {}", nodes.len())
    }

    /// Breaks things until told to stop; all is well again when it returns.
    pub(crate) fn storm(&self, diary: &Diary, mut rng: Rng, stop: &AtomicBool) {
        loop {
            let until = Instant::now() + Duration::from_millis(rng.u64(3_000..9_000));
            while Instant::now() < until {
                if stop.load(Ordering::Acquire) {
                    return;
                }
                sleep(TICK);
            }
            let at = now();
            let what = self.act(&mut rng);
            diary.storm(what, at);
        }
    }

    fn act(&self, rng: &mut Rng) -> &'static str {
        let mut span = |low, high| Duration::from_millis(rng.u64(low..high));
        let (short, long) = (span(0, 1_500), span(500, 3_000));
        // Shorter and longer than it takes both ends to miss their heartbeats.
        let silent = span(500, 6_000);
        match choose(rng) {
            Act::Kill => self.kill(rng, short),
            Act::Freeze => {
                let node = &self.nodes.all()[rng.usize(0..self.nodes.all().len())];
                node.pause();
                sleep(long);
                node.resume();
                "node: SIGSTOP, then SIGCONT"
            }
            Act::Cut => {
                self.proxy.cut();
                "every connection: cut"
            }
            Act::Hang => {
                self.proxy.set(Fault::Hang);
                sleep(silent);
                self.proxy.set(Fault::None);
                // What hung does not know how much of it the other end has missed.
                self.proxy.cut();
                "every connection: half open, then cut"
            }
            Act::Alarm => {
                let node = &self.nodes.all()[0];
                node.raise(Alarm::Memory);
                sleep(long);
                node.clear(Alarm::Memory);
                "node: memory alarm"
            }
        }
    }

    fn kill(&self, rng: &mut Rng, down: Duration) -> &'static str {
        match &self.nodes {
            Nodes::One(node) => {
                node.kill();
                sleep(down);
                node.start_again();
                "node: SIGKILL, started again"
            }
            Nodes::Three(cluster) => {
                let queue = QUEUES[rng.usize(0..QUEUES.len())];
                let leader = cluster.leader(VHOST.1, queue);
                let other = (leader + 1) % SIZE;
                // As a load balancer does: whoever comes new comes to a node that lives.
                self.proxy.lead_to(address(&cluster.nodes()[other]));
                cluster.nodes()[leader].kill();
                sleep(down);
                cluster.nodes()[leader].start_again();
                cluster.await_members(SIZE);
                "leader of a queue: SIGKILL, started again"
            }
        }
    }
}

impl Nodes {
    fn all(&self) -> &[Node] {
        match self {
            Nodes::One(node) => std::slice::from_ref(node),
            Nodes::Three(cluster) => cluster.nodes(),
        }
    }
}

fn address(node: &Node) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, node.port()).into()
}

fn choose(rng: &mut Rng) -> Act {
    let all: u32 = ACTS.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.u32(0..all);
    let hit = ACTS.iter().find(|(_, weight)| {
        let hit = left < *weight;
        left = left.wrapping_sub(*weight);
        hit
    });
    hit.map_or(Act::Kill, |(act, _)| *act)
}
