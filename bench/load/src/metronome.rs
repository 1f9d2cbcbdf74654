//! A clock that beats on time. The timers of tokio are rounded up to whole milliseconds, which is
//! more than most of the latencies that are measured here; so a thread sleeps in its place.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Beats at even intervals from its making on.
pub(crate) struct Metronome {
    beats: watch::Receiver<u32>,
}

impl Metronome {
    pub(crate) fn new(interval: Duration) -> io::Result<Self> {
        let (tell, beats) = watch::channel(0);
        let start = Instant::now();
        let beat = move || {
            loop {
                let beats = *tell.borrow() + 1;
                thread::sleep((start + interval * beats).saturating_duration_since(Instant::now()));
                if tell.send(beats).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new()
            .name("metronome".to_owned())
            .spawn(beat)?;
        Ok(Self { beats })
    }

    /// Waits for the next beat; how many there have been.
    pub(crate) async fn beat(&mut self) -> io::Result<u32> {
        self.beats.changed().await.map_err(io::Error::other)?;
        Ok(*self.beats.borrow_and_update())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_beat_is_early_and_none_is_lost() {
        let interval = Duration::from_millis(2);
        let start = Instant::now();
        let mut metronome = Metronome::new(interval).unwrap();
        for _ in 0..20 {
            let beats = metronome.beat().await.unwrap();
            assert!(start.elapsed() >= interval * beats, "{beats} beats");
        }
        thread::sleep(interval * 5);
        assert!(metronome.beat().await.unwrap() >= 23);
    }
}
