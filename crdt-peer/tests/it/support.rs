//! A server, and programs that are members of its rooms.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use signaling_server::{Config, run};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// Long enough that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(90);

const KEY: &str = "abcdefghijklmnopqrstuv";

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::start_at("127.0.0.1:0", &[]).await
    }

    /// One that keeps what members leave there, in a folder.
    pub(crate) async fn with_store(folder: &Path) -> Server {
        let file = folder.join("rooms");
        Server::start_at("127.0.0.1:0", &["--store", file.to_str().unwrap()]).await
    }

    /// One whose logs of rooms are full with a small text.
    pub(crate) async fn with_small_store(folder: &Path) -> Server {
        let file = folder.join("rooms");
        let options = [
            "--store",
            file.to_str().unwrap(),
            "--store-room-bytes",
            "2000",
        ];
        Server::start_at("127.0.0.1:0", &options).await
    }

    async fn start_at(address: &str, options: &[&str]) -> Server {
        let words = ["signaling-server"].iter().chain(options);
        let config = Config::try_parse_from(words).unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            run(listener, config, stopped).await.unwrap();
        });
        Server {
            address,
            stop,
            task,
        }
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        self.address
    }

    /// Ends, and begins again at the same address with no memory of anybody.
    pub(crate) async fn restart(self) -> Server {
        let address = self.stop().await;
        Server::start_at(&address.to_string(), &[]).await
    }

    /// The read-only link of the room "garden": what follows from its key and its name.
    pub(crate) fn read_link(&self) -> String {
        const READ: &str = "qUawkxlalmgDMCSMwr9a-H_TZFgha7JDs6OlBzzFLHVsisdnUXfn0t8SaVhuPtNH";
        format!("http://{}/#room=garden&read={READ}", self.address)
    }

    /// The link of a room.
    pub(crate) fn link(&self, room: &str) -> String {
        format!("http://{}/#room={room}&key={KEY}", self.address)
    }
}

/// A folder of one member.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// A folder in which the file has a text.
    pub(crate) fn with(text: &str) -> Folder {
        let folder = Folder::new();
        folder.save(text);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join("notes.txt")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap_or_default()
    }

    pub(crate) fn save(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    pub(crate) async fn has(&self, text: &str) {
        until(text, || self.text() == text).await;
    }

    /// Waits until the journal of the document has `word`: the text of a change, or the version that
    /// the file was given.
    pub(crate) async fn keeps(&self, word: &str) {
        let journal = self.path().join("notes.txt.crdt-journal");
        let is_kept = || {
            let bytes = fs::read(&journal).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(word)
        };
        until(word, is_kept).await;
    }

    /// All files with their content, but for the lock.
    pub(crate) fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.to_string_lossy().ends_with("lock"))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        all.sort();
        all
    }
}

/// A running program. Dropped, it is killed.
pub(crate) struct Peer {
    child: Child,
    said: Arc<Mutex<String>>,
    listening: JoinHandle<()>,
}

impl Peer {
    pub(crate) fn join(link: &str, folder: &Folder, options: &[&str]) -> Peer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crdt-peer"));
        command.args(["join", link, "--file"]).arg(folder.file());
        command.args(options);
        Peer::start(command)
    }

    pub(crate) fn start(mut command: Command) -> Peer {
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let listener = Arc::clone(&said);
        let listening = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said = listener.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        Peer {
            child,
            said,
            listening,
        }
    }

    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) async fn says(&self, words: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < end, "{words:?} is not in: {}", self.said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for the end: the exit code, and what was said.
    pub(crate) async fn end(mut self) -> (Option<i32>, String) {
        let Ok(status) = tokio::time::timeout(PATIENCE, self.child.wait()).await else {
            panic!("it does not end; it said: {}", self.said());
        };
        let status = status.unwrap();
        self.listening.await.unwrap();
        (status.code(), self.said.lock().unwrap().clone())
    }

    /// Tells it to end.
    pub(crate) async fn stop(self) -> (Option<i32>, String) {
        let id = rustix::process::Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.end().await
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
