//! The measured machine and versions.

use std::fs;
use std::process::Command;

pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Machine {
            cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: first_line("uname", &["-srm"]),
            rustc: first_line("rustc", &["--version"]),
        }
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map_or_else(
        |_| String::new(),
        |o| String::from_utf8_lossy(&o.stdout).into(),
    );
    text.lines().next().unwrap_or(program).to_owned()
}

/// The version of a crate in the lock file.
pub(crate) fn version(name: &str) -> &'static str {
    let crate_name = if name == "cola" { "cola-crdt" } else { name };
    let entry = format!("name = \"{crate_name}\"\nversion = \"");
    include_str!("../Cargo.lock")
        .split_once(&entry)
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("")
}
