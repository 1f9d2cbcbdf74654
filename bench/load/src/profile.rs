//! Where a server's time goes, asked of `perf` where that exists.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// Below this share of all samples a function is not named.
const SMALLEST_SHARE: &str = "1.5";

/// Where the samples fell.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// The share of the kernel, in percent.
    pub(crate) kernel: f64,
    /// Functions and their shares, in percent, the largest first.
    pub(crate) functions: Vec<(String, f64)>,
}

/// Samples a process for a while; `None` where `perf` is not there or may not be used.
pub(crate) async fn record(
    pid: u32,
    time: Duration,
    scratch: &Path,
) -> io::Result<Option<Profile>> {
    let seconds = time.as_secs_f64().to_string();
    let recorded = perf(&[
        "record",
        "--quiet",
        "--event",
        "cpu-clock",
        "--freq",
        "999",
        "--pid",
    ])
    .arg(pid.to_string())
    .arg("--output")
    .arg(scratch)
    .args(["--", "sleep", &seconds])
    .stderr(Stdio::null())
    .status()
    .await;
    if !recorded.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let all = report(scratch, &["--sort", "symbol"]).await?;
    let named = report(
        scratch,
        &["--sort", "symbol", "--percent-limit", SMALLEST_SHARE],
    )
    .await?;
    std::fs::remove_file(scratch)?;
    let kernel = lines(&all).filter(|(_, _, in_kernel)| *in_kernel);
    Ok(Some(Profile {
        kernel: kernel.map(|(_, share, _)| share).sum(),
        functions: lines(&named)
            .map(|(name, share, _)| (name, share))
            .collect(),
    }))
}

async fn report(file: &Path, arguments: &[&str]) -> io::Result<String> {
    let output = perf(&["report", "--stdio", "--quiet", "--input"])
        .arg(file)
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn perf(arguments: &[&str]) -> Command {
    let mut command = Command::new("perf");
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// The lines of a report: function, share, whether it is the kernel's.
fn lines(report: &str) -> impl Iterator<Item = (String, f64, bool)> {
    report.lines().filter_map(|line| {
        let (share, rest) = line.trim().split_once('%')?;
        let (place, name) = rest.trim().split_once(' ')?;
        // Two columns follow that are empty without a call graph.
        let name = name.trim().trim_end_matches(['-', ' ']);
        Some((name.to_owned(), share.parse().ok()?, place == "[k]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_line_by_line() {
        let report = "\n    12.50%  [k] tcp_sendmsg_locked      -      -  \n     3.00%  [.] serde_json::from_str  \n";
        let read: Vec<_> = lines(report).collect();
        assert_eq!(
            read,
            [
                ("tcp_sendmsg_locked".to_owned(), 12.5, true),
                ("serde_json::from_str".to_owned(), 3.0, false)
            ]
        );
    }
}
