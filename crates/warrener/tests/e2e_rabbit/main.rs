//! The end-to-end tests on RabbitMQ: the same files as in `e2e`, on another stage, and in `away` and `broker` what only
//! a broker of its own can do. Left out are files that have nothing to do with the broker: TLS and links of the server, data folders,
//! the embedded demo.
#![allow(clippy::unwrap_used, reason = "a test that fails here says enough")]

mod alarms;
mod away;
mod broker;
mod check;
mod consumer_timeout;
mod fast;
mod full;
mod lanes;
mod leaders;
mod python;
mod raw;
mod refusals;
mod spoken;
mod stage;
mod tls;
mod watchers;

#[path = "../e2e/batches.rs"]
mod batches;
#[path = "../e2e/breaker.rs"]
mod breaker;
#[path = "../e2e/dead_letters.rs"]
mod dead_letters;
#[path = "../e2e/deaths.rs"]
mod deaths;
#[path = "../e2e/decompose.rs"]
mod decompose;
#[path = "../e2e/defects_a.rs"]
mod defects_a;
#[path = "../e2e/defects_b.rs"]
mod defects_b;
#[path = "../e2e/disk.rs"]
mod disk;
#[path = "../e2e/flow.rs"]
mod flow;
#[path = "../e2e/harness.rs"]
mod harness;
#[path = "../e2e/http.rs"]
mod http;
#[path = "../e2e/kills.rs"]
mod kills;
#[path = "../e2e/lanes_agents.rs"]
mod lanes_agents;
#[path = "../e2e/listen.rs"]
mod listen;
#[path = "../e2e/monitor.rs"]
mod monitor;
#[path = "../e2e/orders.rs"]
mod orders;
#[path = "../e2e/poison.rs"]
mod poison;
#[path = "../e2e/process.rs"]
mod process;
#[path = "../e2e/program_end.rs"]
mod program_end;
#[path = "../e2e/program_in.rs"]
mod program_in;
#[path = "../e2e/program_out.rs"]
mod program_out;
#[path = "../e2e/program_token.rs"]
mod program_token;
#[path = "../e2e/runs.rs"]
mod runs;
#[path = "../e2e/scaling.rs"]
mod scaling;
#[path = "../e2e/sessions.rs"]
mod sessions;
#[path = "../e2e/specialists.rs"]
mod specialists;
#[path = "../e2e/state.rs"]
mod state;
#[path = "../e2e/stopping.rs"]
mod stopping;
#[path = "../e2e/teamwork.rs"]
mod teamwork;
#[path = "../e2e/up.rs"]
mod up;
#[path = "../e2e/waiting.rs"]
mod waiting;
