//! The time of local edits, and the times of events.

use crate::document::Document;
use crate::error::HistoryError;
use crate::version::EventId;

impl Document {
    /// Sets the time of the following local edits, until the next call: in any unit, by convention
    /// in milliseconds since 1970 (UTC). The document has no clock.
    ///
    /// Times are part of patches and files, not of the JSON form. They come from the authors'
    /// clocks, and nothing depends on them. Each call with a different time makes the next patch
    /// some ten bytes longer, so a coarse clock may be preferable.
    pub fn set_time(&mut self, time: u64) {
        self.set_next_time(time);
    }

    /// The time of an event, if its author set one. Unpacks a history that is still packed.
    ///
    /// # Errors
    /// [`HistoryError::CorruptHistory`].
    pub fn time_of(&self, id: &EventId) -> Result<Option<u64>, HistoryError> {
        let history = self.whole_history()?;
        let agent = history.graph.agents.find_agent(&id.agent);
        let agent = agent.filter(|_| history.graph.knows(id));
        Ok(agent.and_then(|agent| history.timestamps.at(agent, id.seq)))
    }
}
