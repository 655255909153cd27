//! The protocol as a model for `stateright`: one task, two agents with one slot, two servers, bags of messages, and
//! faults as often as a budget allows. The decisions are the product's own; only the parties around them are made here.

mod agent;
mod blow;
mod chance;
mod fault;
mod graph;
mod names;
mod row;
mod server;
mod timing;
mod world;

use agent::Move;
use blow::Blow;
use fault::Budget;
pub(crate) use fault::{Fault, Mode};
use graph::{Graph, Verdict};
use row::{Apply, Broken, DEADLINE, Rules, START};
use server::Act;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;
use warrener_model::life::{Life, apply};
use warrener_model::retry::Policies;
pub(crate) use world::Habit;
use world::World;

/// What one run of the checker explores.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mode: Mode,
    pub(crate) faults: Vec<Fault>,
    /// Starts allowed when the task is accepted.
    pub(crate) attempts: u32,
    pub(crate) habit: Habit,
    /// Runs whose handler may fail, for a reason that another attempt may cure.
    pub(crate) failures: u8,
    /// One or two.
    pub(crate) servers: u8,
    /// Generated states after which it gives up.
    pub(crate) cap: usize,
    pub(crate) threads: usize,
    pub(crate) apply: Apply,
}

impl Plan {
    /// The product's own decisions; two attempts, no failure, two servers.
    pub(crate) fn new(mode: Mode, faults: &[Fault]) -> Self {
        Plan {
            mode,
            faults: faults.to_vec(),
            attempts: 2,
            habit: Habit::Listens,
            failures: 0,
            servers: 2,
            cap: usize::MAX,
            threads: 1,
            apply,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Report {
    plan: Plan,
    /// States generated, the same one as often as it was reached.
    states: usize,
    unique: usize,
    depth: usize,
    seconds: f64,
    /// What did not hold, with the way to it.
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// The columns of [`Report`]'s line.
    pub(crate) const HEAD: &str = "| mode | faults | servers | attempts | failures | states | unique | depth | | s |\n\
                                   |---|---|---|---|---|---|---|---|---|---|";

    /// Everything was explored.
    pub(crate) fn is_complete(&self) -> bool {
        self.states < self.plan.cap
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            mode,
            faults,
            attempts,
            failures,
            servers,
            ..
        } = &self.plan;
        let mode = match mode {
            Mode::Claim => "claim",
            Mode::Direct => "direct",
            Mode::Fast => "fast",
        };
        let faults: Vec<&str> = faults.iter().map(|fault| fault.words()).collect();
        let faults = if faults.is_empty() {
            "none".into()
        } else {
            faults.join(", ")
        };
        let end = match (self.failures.is_empty(), self.is_complete()) {
            (false, _) => "VIOLATED",
            (true, true) => "complete",
            (true, false) => "capped",
        };
        let (states, unique, depth) = (self.states, self.unique, self.depth);
        write!(
            f,
            "| {mode} | {faults} | {servers} | {attempts} | {failures} | {states} | {unique} | {depth} | {end} | {:.1} |",
            self.seconds
        )
    }
}

/// Explores, until something does not hold or the cap is reached.
pub(crate) fn check(plan: &Plan) -> Report {
    let begun = Instant::now();
    let graph = Arc::new(Graph::default());
    let checker = Protocol::new(plan, Arc::clone(&graph))
        .checker()
        .threads(plan.threads)
        .target_state_count(plan.cap)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let ways = checker.discoveries().into_iter();
    let mut report = Report {
        plan: plan.clone(),
        states: checker.state_count(),
        unique: checker.unique_state_count(),
        depth: checker.max_depth(),
        seconds: 0.0,
        failures: ways
            .map(|(name, path)| format!("{name}\n{}", told(&path.into_actions())))
            .collect(),
    };
    if report.is_complete() && report.failures.is_empty() {
        match graph.verdict() {
            Verdict::Ends => {}
            bad => report.failures.push(format!("I3: {bad:?}")),
        }
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report
}

fn told(steps: &[Step]) -> String {
    let lines: Vec<String> = steps.iter().map(|step| format!("  {step:?}")).collect();
    lines.join("\n")
}

/// A state and its fingerprint, made once.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    key: u64,
    world: World,
}

impl Node {
    fn new(mut world: World) -> Self {
        world.settle();
        let mut hasher = DefaultHasher::new();
        world.hash(&mut hasher);
        Node {
            key: hasher.finish(),
            world,
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.world == other.world
    }
}

impl Hash for Node {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.key);
    }
}

/// One step of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Agent(u8, Move),
    Server(u8, Act),
    Fault(Option<Fault>, Blow),
}

/// The model itself.
struct Protocol {
    plan: Plan,
    rules: Rules,
    graph: Arc<Graph>,
}

impl Protocol {
    fn new(plan: &Plan, graph: Arc<Graph>) -> Self {
        let rules = Rules {
            apply: plan.apply,
            policies: Policies::default(),
            attempts: plan.attempts,
            faults: Budget::of(&plan.faults).left(),
            servers: u32::from(plan.servers),
        };
        Protocol {
            plan: plan.clone(),
            rules,
            graph,
        }
    }

    /// Everything that happens without a fault.
    fn own_steps(&self, world: &World, steps: &mut Vec<Step>) {
        for agent in 0..2u8 {
            let mut moves = vec![];
            world.moves(agent, &mut moves);
            steps.extend(moves.into_iter().map(|step| Step::Agent(agent, step)));
        }
        for server in 0..world.server_count() {
            let mut acts = vec![];
            world.acts(server, self.plan.mode, &mut acts);
            steps.extend(acts.into_iter().map(|act| Step::Server(server, act)));
        }
    }

    /// Two agents run under one epoch. In a fast lane nobody can tell an unmarked second copy from the first one: there
    /// two may run, and one commits.
    fn has_two_holders(&self, world: &World) -> bool {
        let copies = self.plan.faults.contains(&Fault::MessageDoubled);
        let [one, two] = world.agents.each_ref().map(|agent| agent.epoch());
        one.is_some() && one == two && !(self.plan.mode == Mode::Fast && copies)
    }

    /// Whether something is left to be done, or all is as it should be in the end.
    fn is_alive(&self, world: &World) -> bool {
        let mut steps = vec![];
        self.own_steps(world, &mut steps);
        !steps.is_empty() || world.is_over()
    }
}

impl Model for Protocol {
    type State = Node;
    type Action = Step;

    fn init_states(&self) -> Vec<Node> {
        let life = Life::new(START, self.plan.attempts, None, Some(DEADLINE));
        let budget = Budget::of(&self.plan.faults);
        let world = World::new(life, budget, self.plan.servers);
        vec![Node::new(World {
            habit: self.plan.habit,
            failures: self.plan.failures,
            ..world
        })]
    }

    fn actions(&self, node: &Node, steps: &mut Vec<Step>) {
        let world = &node.world;
        if world.broken.is_some() {
            return;
        }
        self.own_steps(world, steps);
        if steps.is_empty() {
            self.graph.end(node.key, world.is_over());
        }
        let mut blows = vec![];
        world.blows(self.plan.mode, &mut blows);
        steps.extend(
            blows
                .into_iter()
                .map(|(fault, blow)| Step::Fault(fault, blow)),
        );
    }

    fn next_state(&self, node: &Node, step: Step) -> Option<Node> {
        let mut world = node.world.clone();
        match step {
            Step::Agent(agent, step) => world.step(agent, step),
            Step::Server(server, act) => world.act(server, act, &self.rules),
            Step::Fault(fault, blow) => {
                if let Some(fault) = fault {
                    world.budget.spend(fault);
                }
                world.suffer(blow, &self.rules);
            }
        }
        let next = Node::new(world);
        if next == *node {
            return None;
        }
        if !matches!(step, Step::Fault(..)) {
            self.graph.edge(node.key, next.key);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "I1: one success commits, none after a final state",
                |_, n: &Node| n.world.broken != Some(Broken::I1),
            ),
            Property::always(
                "I2: nothing is accepted from a run that is not entitled",
                |_, n: &Node| n.world.broken != Some(Broken::I2),
            ),
            Property::always(
                "I3: something is left to do until all is done",
                |m: &Self, n: &Node| n.world.broken.is_some() || m.is_alive(&n.world),
            ),
            Property::always(
                "I4: a look older than a renewal expires nothing",
                |_, n: &Node| n.world.broken != Some(Broken::I4),
            ),
            Property::always(
                "I5: no other run or copy ends a lease",
                |m: &Self, n: &Node| {
                    n.world.broken != Some(Broken::I5) && !m.has_two_holders(&n.world)
                },
            ),
            Property::always(
                "I6: nothing is granted after an answered cancel",
                |_, n: &Node| n.world.broken != Some(Broken::I6),
            ),
            Property::always(
                "I7: without a fault, one start per attempt",
                |_, n: &Node| {
                    let starts = u32::from(n.world.starts.unwrap_or(0));
                    n.world.broken != Some(Broken::I7) && starts <= n.world.life.attempt
                },
            ),
            Property::always(
                "I8: nothing falls, and no epoch has two holders",
                |m: &Self, n: &Node| {
                    n.world.broken != Some(Broken::I8) && !m.has_two_holders(&n.world)
                },
            ),
            Property::always("I9: attempts and losses are bounded", |_, n: &Node| {
                n.world.broken != Some(Broken::I9)
            }),
            Property::always("section 2: lease and offer are cleared", |_, n: &Node| {
                n.world.broken != Some(Broken::Shape)
            }),
            Property::always(
                "section 2: every transition has one row of history",
                |_, n: &Node| n.world.broken != Some(Broken::History),
            ),
            Property::always("who gets or loses the task is told", |_, n: &Node| {
                n.world.broken != Some(Broken::Told)
            }),
        ]
    }
}
