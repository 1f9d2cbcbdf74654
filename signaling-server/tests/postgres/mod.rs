//! A real PostgreSQL server for tests, which start and end it.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a folder of its own, reached by a socket in there.
pub(crate) struct Postgres {
    folder: PathBuf,
    /// Who runs it: PostgreSQL does not run as root.
    user: Option<(u32, u32)>,
    process: Mutex<Option<Child>>,
}

impl Postgres {
    /// A server that no other test uses.
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("signaling-postgres-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let user =
            (id("-u", None) == 0).then(|| (id("-u", Some("postgres")), id("-g", Some("postgres"))));
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let postgres = Self {
            folder,
            user,
            process: Mutex::new(None),
        };
        let made = postgres
            .command("initdb")
            .args([
                "--auth",
                "trust",
                "--username",
                "test",
                "--no-sync",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C", "--pgdata"])
            .arg(postgres.folder.join("data"))
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        postgres.run();
        postgres
    }

    /// A server that tests share, each with a store of its own. It ends with the last of them.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let postgres = Arc::new(Self::start());
            *shared = Arc::downgrade(&postgres);
            postgres
        })
    }

    /// Runs the server, and waits until it answers.
    pub(crate) fn run(&self) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut process = self
                .command("postgres")
                .arg("-D")
                .arg(self.folder.join("data"))
                .arg("-k")
                .arg(&self.folder)
                .args(["-c", "listen_addresses=", "-c", "fsync=off"])
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // After a kill it ends at once, until the last of the old processes is gone.
            while process.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE {
                if self.sql("SELECT 1") {
                    *self.process.lock().unwrap() = Some(process);
                    return;
                }
                sleep(Duration::from_millis(20));
            }
        }
        panic!("PostgreSQL does not start");
    }

    /// Ends the server by SIGKILL, as a machine without power does: also the processes of its connections, which
    /// would go on for a moment.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap().take().unwrap();
        let id = process.id();
        let connections =
            std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        // One that has seen the end of the server already is gone.
        let _ = Command::new("kill")
            .arg("-KILL")
            .args(connections.split_whitespace())
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }

    /// The address of a new, empty store.
    pub(crate) fn store(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("store{}", COUNT.fetch_add(1, Ordering::Relaxed));
        assert!(self.sql(&format!("CREATE SCHEMA {schema}")));
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://test@{folder}/postgres?options=-csearch_path%3D{schema}")
    }

    /// Whether the server does what is asked of it.
    pub(crate) fn sql(&self, statement: &str) -> bool {
        let done = self
            .command("psql")
            .args(["-q", "-U", "test", "-d", "postgres", "-h"])
            .arg(&self.folder)
            .args(["-c", statement])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.unwrap().success()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program_path(program));
        command.current_dir(&self.folder).stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let process = self
            .process
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(mut process) = process.take() {
            // Ends at once, with all that belongs to it.
            let pid = process.id().to_string();
            let _ = Command::new("kill").args(["-QUIT", &pid]).status();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn id(which: &str, user: Option<&str>) -> u32 {
    let output = Command::new("id").arg(which).args(user).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let id = text.trim().parse();
    id.expect("PostgreSQL is needed for this test (Debian's package postgresql)")
}

/// A program of PostgreSQL: on PATH, or where Debian keeps those of each version.
fn program_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(program));
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let versions = versions
        .flatten()
        .map(|version| version.path().join("bin").join(program));
    let found = on_path.chain(versions).find(|path| path.is_file());
    found.expect("PostgreSQL is needed for this test (Debian's package postgresql)")
}
