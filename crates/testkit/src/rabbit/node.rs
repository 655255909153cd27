//! One private node and its life: start, stop, kill, pause, and start again on the same data and ports.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::ports::Ports;

use super::certificates::Authority;
use super::door::Door;
use super::folder::{Draft, Folder};
use super::ground::Ground;
use super::install::Install;
use super::options::{Options, Tls};
use super::vhost::Vhost;

/// Between two looks whether a node is up or gone.
const PAUSE: Duration = Duration::from_millis(20);
/// A handshake that takes longer belongs to a broker that is not up yet.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// What a flush may take; a paused broker does not answer at all.
const FLUSH: Duration = Duration::from_secs(2);

/// What stops publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Too little memory.
    Memory,
    /// Too little room on the disk.
    Disk,
}

/// See the module. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Node {
    name: String,
    install: Install,
    options: Options,
    ports: Ports,
    epmd: u16,
    door: Door,
    authority: Option<Authority>,
    folder: Folder,
    process: Mutex<Option<Child>>,
    vhosts: AtomicU32,
    // Last: what is above must not be used once the ground is cleared.
    ground: Arc<Ground>,
}

impl Node {
    /// A new node, ready for connections.
    ///
    /// # Panics
    /// If there is no RabbitMQ, or it does not come up; with its last words.
    #[must_use]
    #[track_caller]
    pub fn start(options: &Options) -> Node {
        let node = Node::prepare(options).unwrap_or_else(|e| panic!("no test node: {e}"));
        node.start_again();
        node
    }

    fn prepare(options: &Options) -> io::Result<Node> {
        let install = Install::find();
        let ground = Arc::new(Ground::new(&install.folders())?);
        let ports = Ports::take();
        let epmd = ports.epmd();
        Node::on(ground, install, ports, epmd, options)
    }

    /// What a node with these ports is called.
    pub(crate) fn name_by(ports: &Ports) -> String {
        format!("n{}@localhost", ports.amqp())
    }

    /// A node that is not started yet. Nodes that are to find each other have one port mapper.
    pub(crate) fn on(
        ground: Arc<Ground>,
        install: Install,
        ports: Ports,
        epmd: u16,
        options: &Options,
    ) -> io::Result<Node> {
        let token: String = std::iter::repeat_with(fastrand::alphanumeric)
            .take(20)
            .collect();
        let door = Door::new(ports.door(), token);
        let path = ground.folder().join(ports.amqp().to_string());
        let authority = (options.tls != Tls::Off).then(Authority::new);
        let draft = Draft {
            install: &install,
            ports: &ports,
            door: &door,
            options,
            authority: authority.as_ref(),
        };
        let folder = draft.write(path)?;
        Ok(Node {
            name: Node::name_by(&ports),
            epmd,
            options: options.clone(),
            install,
            ports,
            door,
            authority,
            folder,
            process: Mutex::new(None),
            vhosts: AtomicU32::new(0),
            ground,
        })
    }

    /// Where clients connect, in the vhost `/`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("%2f")
    }

    pub(crate) fn url_of(&self, vhost: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{vhost}", self.port())
    }

    /// Where clients connect by TLS.
    #[must_use]
    pub fn url_tls(&self, vhost: &str) -> String {
        let port = self.ports.amqps();
        format!("amqps://guest:guest@localhost:{port}/{vhost}")
    }

    /// Who signed its certificate, and signs those of clients.
    ///
    /// # Panics
    /// If its options are without TLS.
    #[must_use]
    #[track_caller]
    pub fn authority(&self) -> &Authority {
        let authority = self.authority.as_ref();
        authority.unwrap_or_else(|| panic!("{} is a node without TLS", self.name))
    }

    /// The port of AMQP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp()
    }

    /// The root of the management API; the user is guest, the password too.
    #[must_use]
    pub fn management(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.management())
    }

    /// Where Prometheus would read.
    #[must_use]
    pub fn metrics(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.ports.prometheus())
    }

    /// What it has on the disk, gone with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.ground.folder()
    }

    /// The RabbitMQ it runs.
    #[must_use]
    pub fn install(&self) -> &Install {
        &self.install
    }

    /// Whether it was started, and neither stopped nor killed since.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.process().is_some()
    }

    /// Its name in a cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A vhost of its own for one test.
    #[must_use]
    #[track_caller]
    pub fn vhost(&self) -> Vhost<'_> {
        let number = self.vhosts.fetch_add(1, Ordering::Relaxed);
        Vhost::make(self, format!("test-{number}"))
    }

    /// What Erlang expressions come to inside the broker, as Erlang writes it; they end with a full stop.
    ///
    /// # Panics
    /// If the broker is not up, or the expressions fail.
    #[track_caller]
    pub fn eval(&self, expressions: &str) -> String {
        self.try_eval(expressions)
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    pub(crate) fn try_eval(&self, expressions: &str) -> io::Result<String> {
        self.door.eval(expressions)
    }

    /// Stops publishers; every connection there is knows it when this returns.
    #[track_caller]
    pub fn raise(&self, alarm: Alarm) {
        let source = source(alarm);
        self.alarm(&format!("rabbit_alarm:set_alarm({{{source}, []}})"));
    }

    /// Lets them go on.
    #[track_caller]
    pub fn clear(&self, alarm: Alarm) {
        self.alarm(&format!("rabbit_alarm:clear_alarm({})", source(alarm)));
    }

    /// The alarm's own process is told without an answer; a question after it is answered once it has passed it on.
    #[track_caller]
    fn alarm(&self, told: &str) {
        self.eval(&format!("{told}, rabbit_alarm:get_alarms()."));
    }

    /// `kill -9`: sockets close at once, nothing more is written.
    ///
    /// The broker's list of its quorum queues is flushed before. It does that by itself only half a second after a
    /// declare, and a queue that is not in the list when the broker dies is found empty and without a leader, whatever
    /// was confirmed (seen on 3.10.8): a fault of its own that most tests are not about.
    #[track_caller]
    pub fn kill(&self) {
        // A broker that is paused or not up yet has nothing to flush.
        let _ = self
            .door
            .eval_within(FLUSH, "[dets:sync(Table) || Table <- dets:all()].");
        self.kill_at_once();
    }

    /// The same without the flush.
    #[track_caller]
    pub fn kill_at_once(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill().unwrap_or_else(|e| panic!("kill: {e}"));
            process.wait().unwrap_or_else(|e| panic!("wait: {e}"));
        }
    }

    /// An orderly end, and waits for it.
    #[track_caller]
    pub fn stop(&self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        if let Some(mut process) = self.process().take() {
            process.wait().unwrap_or_else(|e| panic!("wait: {e}"));
        }
    }

    /// Freezes the broker: sockets stay open, nothing answers. All of it stands when this returns.
    #[track_caller]
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        if let Some(process) = self.process().as_ref() {
            let id = WaitId::Pid(Pid::from_child(process));
            waitid(id, WaitIdOptions::STOPPED).unwrap_or_else(|e| panic!("pause: {e}"));
        }
    }

    /// Lets it go on.
    #[track_caller]
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it on the data and ports it had, and waits until it is ready.
    ///
    /// # Panics
    /// If it runs already, or does not come up; with its last words.
    #[track_caller]
    pub fn start_again(&self) {
        self.launch();
        self.await_ready();
    }

    #[track_caller]
    pub(crate) fn launch(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "{} runs already", self.name);
        let begun = self.spawn();
        *process = Some(begun.unwrap_or_else(|e| panic!("cannot start a broker: {e}")));
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = self.install.server();
        self.folder
            .furnish(&mut command, &self.name, &self.ports, self.epmd);
        self.ground.mark(&mut command);
        let output = self.folder.output()?;
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
    }

    /// Ready is: the door answers, which opens after the boot, and a client would be greeted.
    #[track_caller]
    pub(crate) fn await_ready(&self) {
        let deadline = Instant::now() + self.options.patience;
        loop {
            let ended = match self.process().as_mut().map(Child::try_wait) {
                Some(Ok(status)) => status.map(|status| status.to_string()),
                Some(Err(error)) => Some(error.to_string()),
                None => Some("it was killed".to_owned()),
            };
            if ended.is_none() && self.is_ready() {
                return;
            }
            if ended.is_some() || Instant::now() > deadline {
                let mut text = format!("{} ({}) ", self.name, self.install.version());
                let _ = match ended {
                    Some(status) => write!(text, "ended: {status}"),
                    None => write!(text, "is not ready after {:?}", self.options.patience),
                };
                panic!("{text}\n{}", self.folder.last_words());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn is_ready(&self) -> bool {
        greets(self.port())
            && self
                .try_eval("rabbit:is_running().")
                .is_ok_and(|is| is == "true")
    }

    #[track_caller]
    fn signal(&self, signal: Signal) {
        if let Some(process) = self.process().as_ref() {
            // Not yet waited for, so its id is nobody else's.
            kill_process(Pid::from_child(process), signal).unwrap_or_else(|e| panic!("{e}"));
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        // A test that panicked with it may well want its node to end.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process().take() {
            // The guard would do it too; it cannot bury our child.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn source(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::Memory => "{resource_limit, memory, node()}",
        Alarm::Disk => "{resource_limit, disk, node()}",
    }
}

/// Whether the broker answers a client's first words with its own: a method frame.
fn greets(port: u16) -> bool {
    let greeting = || -> io::Result<bool> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into();
        let mut socket = TcpStream::connect_timeout(&address, HANDSHAKE)?;
        socket.set_read_timeout(Some(HANDSHAKE))?;
        socket.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut kind = [0];
        socket.read_exact(&mut kind)?;
        Ok(kind == [1])
    };
    greeting().unwrap_or(false)
}
