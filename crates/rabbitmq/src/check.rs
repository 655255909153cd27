//! What a person would want to know of a broker before anything relies on it: a list of findings. Nothing is changed:
//! what is tried is taken back, and what is declared is private and goes with the connection.

use crate::amqp::{Connection, Fault, Target, greet};
use crate::names::Names;
use crate::settings::{Role, Settings};
use std::time::Duration;
use warrener_model::id::StoreId;
use warrener_model::name::Lane;

mod alarm;
mod limits;
mod ownership;
mod policies;
mod rights;
mod shapes;

pub use policies::Policed;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// It works, but not for ever or not everywhere.
    Warning,
    /// It does not work.
    Critical,
}

impl Severity {
    /// As programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Fine => "fine",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable: `url greeting certificate version login topology drift alarm permission owner consumer_timeout policy`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What to do about it; empty if nothing.
    pub remedy: String,
}

/// What the broker is to be good for.
#[derive(Clone, Debug)]
pub struct Purpose {
    /// The lanes that are served.
    pub lanes: Vec<Lane>,
    /// The store whose namespace it should be, if that is known.
    pub store: Option<StoreId>,
    /// How long an agent may hold a delivery.
    pub handoff: Duration,
    /// The queues there are, or why they cannot be seen, if somebody asked the management API.
    pub policed: Option<Result<Vec<Policed>, String>>,
}

/// Who logs in, and where: what the management API wants to know as well.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Never printed.
    pub password: String,
    /// The vhost.
    pub vhost: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}, vhost {})", self.user, self.vhost)
    }
}

/// Reads the login off the broker's URL.
///
/// # Errors
/// `Invalid`: what is wrong, never with the URL itself in it.
pub fn login(settings: &Settings) -> warrener_backend::error::Result<Login> {
    let target = Target::read(settings)?;
    let (user, password) = target.login();
    Ok(Login {
        user: user.to_owned(),
        password: password.to_owned(),
        vhost: target.vhost().to_owned(),
    })
}

/// What was found, in the order it was looked at. The first that is critical may be the last.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        id: &'static str,
        severity: Severity,
        what: impl ToString,
        remedy: impl Into<String>,
    ) {
        self.0.push(Finding {
            id,
            severity,
            what: what.to_string(),
            remedy: remedy.into(),
        });
    }

    fn fine(&mut self, id: &'static str, what: impl ToString) {
        self.add(id, Severity::Fine, what, "");
    }
}

/// What all of it is about.
struct Ground<'a> {
    settings: &'a Settings,
    purpose: &'a Purpose,
    target: &'a Target,
    names: Names,
}

impl Ground<'_> {
    async fn connect(&self) -> Result<Connection, Fault> {
        let waits = (
            self.settings.connect_deadline,
            self.settings.answer_deadline,
        );
        Connection::open(self.target, "warrener check", waits).await
    }

    /// A queue for a moment, with the name of one that this end makes: a server any, an agent its own.
    fn own_queue(&self) -> String {
        match &self.settings.role {
            Role::Server => format!("{}.check.{:016x}", self.names.space(), fastrand::u64(..)),
            Role::Agent(who) => self.names.control(who),
        }
    }
}

/// Looks at the broker of these settings. Connects by itself, and asks nobody else.
pub async fn check(settings: &Settings, purpose: &Purpose) -> Vec<Finding> {
    let mut findings = Findings::default();
    let target = match Target::read(settings) {
        Ok(target) => target,
        Err(error) => {
            findings.add("url", Severity::Critical, error, "correct broker.url");
            return findings.0;
        }
    };
    let ground = Ground {
        settings,
        purpose,
        target: &target,
        names: Names::new(&settings.namespace),
    };
    look(&ground, &mut findings).await;
    findings.0
}

async fn look(ground: &Ground<'_>, findings: &mut Findings) {
    let (settings, target) = (ground.settings, ground.target);
    let greeting = match greet(target, settings.connect_deadline).await {
        Ok(greeting) => greeting,
        Err(fault) => return unanswered(target, &fault, findings),
    };
    limits::version(&greeting, findings);
    let connection = match ground.connect().await {
        Ok(connection) => connection,
        Err(fault) => return locked_out(target, &fault, findings),
    };
    findings.fine("login", format!("{target} lets us in"));
    let there = shapes::look(ground, &connection, findings).await;
    // What stops publishers would stop whatever else is asked on the same connection.
    match ground.connect().await {
        Ok(publishing) => {
            if alarm::look(ground, &publishing, findings).await {
                ownership::look(ground, &connection, &there, findings).await;
                rights::look(ground, &connection, &publishing, there, findings).await;
            }
            publishing.close().await;
        }
        Err(fault) => locked_out(target, &fault, findings),
    }
    limits::look(ground, &greeting, findings);
    connection.close().await;
}

fn unanswered(target: &Target, fault: &Fault, findings: &mut Findings) {
    if fault.is_untrusted() {
        let what = format!("{target} is not trusted: {fault}");
        let remedy = "name the authority that signed the broker's certificate (broker.ca, PEM), and connect by a name that is in the certificate";
        return findings.add("certificate", Severity::Critical, what, remedy);
    }
    let what = format!("{target} does not answer: {fault}");
    let remedy = "see that the broker runs, and that host, port and scheme of broker.url are right";
    // A broker that wants a certificate may hang up before it has said so.
    let wants = match target.is_tls() {
        true => {
            "; if it wants a certificate of its clients, name one that it trusts (cert and key under [broker])"
        }
        false => "",
    };
    let remedy = format!("{remedy}{wants}");
    findings.add("greeting", Severity::Critical, what, remedy);
}

fn locked_out(target: &Target, fault: &Fault, findings: &mut Findings) {
    let what = format!("{target} does not let us in: {fault}");
    let remedy = "see user, password and vhost of broker.url, and the permissions of that user (rabbitmqctl list_user_permissions USER)";
    findings.add("login", Severity::Critical, what, remedy);
}
