//! Nodes that are one broker, on one machine, for tests of what a queue does when its leader dies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ground::Ground;
use super::install::Install;
use super::node::Node;
use super::options::Options;
use crate::ports::Ports;

const PAUSE: Duration = Duration::from_millis(50);

/// Counts the members that run, by the name each version has for it.
const RUNNING: &str = "length(case erlang:function_exported(rabbit_nodes, list_running, 0) of
    true -> rabbit_nodes:list_running(); false -> rabbit_nodes:all_running() end).";

/// See the module. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    patience: Duration,
}

impl Cluster {
    /// A cluster of this many new nodes, each ready and all joined.
    ///
    /// # Panics
    /// If a node does not come up, or they do not find each other.
    #[must_use]
    #[track_caller]
    pub fn start(size: usize, options: &Options) -> Cluster {
        let install = Install::find();
        let ground = Ground::new(&install.folders()).unwrap_or_else(|e| panic!("no ground: {e}"));
        let ground = Arc::new(ground);
        let ports: Vec<Ports> = (0..size).map(|_| Ports::take()).collect();
        let names: Vec<String> = ports.iter().map(Node::name_by).collect();
        let epmd = ports.first().map_or(0, Ports::epmd);
        let nodes: Vec<Node> = ports
            .into_iter()
            .enumerate()
            .map(|(index, ports)| {
                let mut options = options.clone();
                options.config += &formation(&names, index, &install);
                let ground = Arc::clone(&ground);
                Node::on(ground, install.clone(), ports, epmd, &options)
                    .unwrap_or_else(|e| panic!("no test node: {e}"))
            })
            .collect();

        // Old versions race for who makes the cluster: the first one makes it, the others join.
        let alone = if install.is_at_least(4, 0) { 0 } else { 1 };
        let (makers, joiners) = nodes.split_at(alone.min(size));
        makers.iter().for_each(Node::start_again);
        joiners.iter().for_each(Node::launch);
        joiners.iter().for_each(Node::await_ready);
        let cluster = Cluster {
            nodes,
            patience: options.patience,
        };
        cluster.await_members(size);
        cluster
    }

    /// Its nodes, in a fixed order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Waits until every node that is asked counts this many members that run.
    ///
    /// # Panics
    /// If it does not come to that.
    #[track_caller]
    pub fn await_members(&self, count: usize) {
        let deadline = Instant::now() + self.patience;
        let running = self.nodes.iter().filter(|node| node.is_started());
        for node in running {
            while node.try_eval(RUNNING).ok() != Some(count.to_string()) {
                assert!(
                    Instant::now() < deadline,
                    "{count} members are not running after {:?}: {:?}",
                    self.patience,
                    node.try_eval(RUNNING)
                );
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// The node that leads a quorum queue, by its place in [`Cluster::nodes`]; waits while nobody does.
    ///
    /// # Panics
    /// If there is no such queue, or no leader.
    #[must_use]
    #[track_caller]
    pub fn leader(&self, vhost: &str, queue: &str) -> usize {
        let asked = format!(
            r#"{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)),
            {{Name, _}} = amqqueue:get_pid(Queue),
            {{ok, _, {{_, Leader}}}} = ra:members({{Name, node()}}, 1000),
            atom_to_list(Leader)."#
        );
        let deadline = Instant::now() + self.patience;
        loop {
            let running = self.nodes.iter().find(|node| node.is_started());
            let node = running.unwrap_or_else(|| panic!("every node of the cluster is down"));
            let answer = node.try_eval(&asked);
            let leads = |node: &Node| {
                let quoted = format!("{:?}", node.name());
                node.is_started() && answer.as_ref().is_ok_and(|answer| *answer == quoted)
            };
            if let Some(leader) = self.nodes.iter().position(leads) {
                return leader;
            }
            let late = Instant::now() > deadline;
            assert!(!late, "nobody leads {queue} in {vhost}: {answer:?}");
            std::thread::sleep(PAUSE);
        }
    }
}

fn formation(names: &[String], index: usize, install: &Install) -> String {
    let mut lines = String::from("cluster_formation.peer_discovery_backend = classic_config\n");
    for (number, name) in names.iter().enumerate() {
        let key = "cluster_formation.classic_config.nodes";
        lines += &format!("{key}.{} = {name}\n", number + 1);
    }
    if install.is_at_least(4, 0) {
        return lines;
    }
    // The first need not look for others; and nobody waits the seconds that keep large clusters from racing.
    let (limit, interval) = if index == 0 { (1, 100) } else { (60, 500) };
    lines += &format!("cluster_formation.discovery_retry_limit = {limit}\n");
    lines += &format!("cluster_formation.discovery_retry_interval = {interval}\n");
    lines += "cluster_formation.randomized_startup_delay_range.min = 0\n";
    lines += "cluster_formation.randomized_startup_delay_range.max = 1\n";
    lines + "cluster_partition_handling = pause_minority\n"
}
