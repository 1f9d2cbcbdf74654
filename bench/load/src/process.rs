//! The servers under load, each in a process of its own, and what the system says of a process.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::dialect::Dialect;

/// The unit of times in /proc, which is the same on all Linux systems that programs see.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long a server may take to listen.
const START_TRIES: u32 = 200;
const START_PAUSE: Duration = Duration::from_millis(50);

/// A server to be measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    /// Our binary, or the script that Node runs.
    pub(crate) program: PathBuf,
}

/// How many processes there are of a server that has several.
pub(crate) const NODES: usize = 3;

/// A server that runs; it is ended with this value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// `None` for a server of a test, which runs in this process.
    child: Option<Child>,
    /// The other processes, where it has several.
    others: Vec<Server>,
}

/// The addresses of a server's processes, which clients go to in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nodes([SocketAddr; NODES]);

impl Nodes {
    /// A single process.
    pub(crate) fn one(address: SocketAddr) -> Self {
        Self([address; NODES])
    }

    /// Where a client goes.
    pub(crate) fn of(self, number: usize) -> SocketAddr {
        self.0[number % NODES]
    }
}

/// Time on the processor, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) kernel: f64,
    /// How long its threads were ready to run while others had the processors.
    pub(crate) waited: f64,
}

impl Subject {
    /// All servers, the project's own first.
    pub(crate) fn all(server: &Path, peers: &Path) -> [Subject; 3] {
        let modules = peers.join("node_modules");
        [
            Subject::own(server),
            Subject {
                name: "y-webrtc",
                dialect: Dialect::YWebrtc,
                program: modules.join("y-webrtc/bin/server.js"),
            },
            Subject {
                name: "peerjs",
                dialect: Dialect::PeerJs,
                program: modules.join("peer/dist/bin/peerjs.js"),
            },
        ]
    }

    pub(crate) fn own(server: &Path) -> Subject {
        Subject {
            name: "signaling-server",
            dialect: Dialect::Signaling,
            program: server.to_owned(),
        }
    }

    /// Starts the server on a free port, with the settings that it comes with, and waits until it
    /// listens. peerjs' own allow 5,000 clients, and ask each for a heartbeat, which is spared them.
    pub(crate) async fn start(&self) -> io::Result<Server> {
        self.start_with(&[]).await
    }

    /// The same, with more settings.
    pub(crate) async fn start_with(&self, settings: &[&str]) -> io::Result<Server> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = free.port().to_string();
        let mut command = match self.dialect {
            Dialect::Signaling => Command::new(&self.program),
            _ => Command::new("node"),
        };
        match self.dialect {
            // A client may send more than it usually may: the others have no such limit.
            Dialect::Signaling => command
                .args(["--host", "127.0.0.1", "--port", &port])
                .args(["--relay-messages-per-second", "10000"]),
            Dialect::YWebrtc => command.arg(&self.program).env("PORT", &port),
            Dialect::PeerJs => command
                .arg(&self.program)
                .args(["--host", "127.0.0.1", "--port", &port])
                .args(["--concurrent_limit", "100000"])
                .args(["--alive_timeout", "3600000"]),
        };
        let child = command
            .args(settings)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| about(&self.program, error))?;
        let mut server = Server {
            address: free,
            pid: child.id().unwrap_or_default(),
            child: Some(child),
            others: Vec::new(),
        };
        for _ in 0..START_TRIES {
            if TcpStream::connect(server.address).await.is_ok() {
                return Ok(server);
            }
            if let Some(child) = &mut server.child
                && let Some(status) = child.try_wait()?
            {
                let error = io::Error::other(format!("ended with {status}"));
                return Err(about(&self.program, error));
            }
            sleep(START_PAUSE).await;
        }
        Err(about(&self.program, io::ErrorKind::TimedOut.into()))
    }
}

impl Server {
    #[cfg(test)]
    pub(crate) fn here(address: SocketAddr) -> Self {
        Self {
            address,
            pid: std::process::id(),
            child: None,
            others: Vec::new(),
        }
    }

    /// Adds another process to the server.
    pub(crate) fn join(&mut self, other: Server) {
        self.others.push(other);
    }

    /// Ends the process that was added last, by SIGKILL.
    pub(crate) async fn kill_last(&mut self) -> io::Result<()> {
        match self.others.pop().and_then(|node| node.child) {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// Where its clients go.
    pub(crate) fn nodes(&self) -> Nodes {
        let mut nodes = Nodes::one(self.address);
        let others = self.others.iter().map(|other| other.address);
        for (place, address) in nodes.0.iter_mut().skip(1).zip(others) {
            *place = address;
        }
        nodes
    }

    /// How much of its memory is in use, in bytes.
    pub(crate) fn resident(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other("the server's memory is not known"))
    }

    pub(crate) fn cpu(&self) -> io::Result<Cpu> {
        let mut sum = cpu_of(&self.pid.to_string())?;
        for other in &self.others {
            let cpu = cpu_of(&other.pid.to_string())?;
            sum.user += cpu.user;
            sum.kernel += cpu.kernel;
            sum.waited += cpu.waited;
        }
        Ok(sum)
    }

    /// Ends the server.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        for mut other in self.others {
            if let Some(child) = &mut other.child {
                child.kill().await?;
            }
        }
        match &mut self.child {
            Some(child) => child.kill().await,
            None => Ok(()),
        }
    }
}

/// What this process has used.
pub(crate) fn own_cpu() -> io::Result<Cpu> {
    cpu_of("self")
}

impl std::ops::Sub for Cpu {
    type Output = Cpu;

    fn sub(self, earlier: Cpu) -> Cpu {
        Cpu {
            user: self.user - earlier.user,
            kernel: self.kernel - earlier.kernel,
            waited: self.waited - earlier.waited,
        }
    }
}

fn cpu_of(process: &str) -> io::Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in brackets, may have spaces in it; behind it the 12th and 13th are the times.
    let numbers = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times = numbers.split_whitespace().skip(11).map(str::parse::<f64>);
    match (times.next(), times.next()) {
        (Some(Ok(user)), Some(Ok(kernel))) => Ok(Cpu {
            user: user / TICKS_PER_SECOND,
            kernel: kernel / TICKS_PER_SECOND,
            waited: waited(process)?,
        }),
        _ => Err(io::Error::other("the processor time is not known")),
    }
}

/// What the scheduler says of the threads of a process: the second number is the time that a thread
/// waited for a processor, in nanoseconds.
fn waited(process: &str) -> io::Result<f64> {
    let mut sum = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end meanwhile; a kernel without these figures has no such file.
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        let waited = text.split_whitespace().nth(1).map(str::parse::<f64>);
        sum += waited.and_then(Result::ok).unwrap_or(0.0);
    }
    Ok(sum / 1e9)
}

fn about(program: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_time() {
        let before = own_cpu().unwrap();
        let mut sum = 0u64;
        while (own_cpu().unwrap() - before).user < 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(own_cpu().unwrap().user > before.user);
    }
}
