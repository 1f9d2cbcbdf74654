//! When local edits are made, and when events were made.

use crate::document::Document;
use crate::error::HistoryError;
use crate::version::EventId;

impl Document {
    /// Says when the local edits are made that follow, until this is called again: in any unit, by
    /// convention in milliseconds since 1970 (UTC). The document has no clock of its own.
    ///
    /// Times are part of patches and files, not of the JSON form. They are what authors say, and
    /// nothing depends on them. Each call that brings another time makes the next patch some ten
    /// bytes longer, so a coarse clock may do.
    pub fn set_time(&mut self, time: u64) {
        self.set_next_time(time);
    }

    /// When an event was made, if its author said so. Unpacks a history that is still packed.
    ///
    /// # Errors
    /// [`HistoryError::CorruptHistory`].
    pub fn time_of(&self, id: &EventId) -> Result<Option<u64>, HistoryError> {
        let history = self.whole_history()?;
        let agent = history.graph.agents.find_agent(&id.agent);
        let agent = agent.filter(|_| history.graph.knows(id));
        Ok(agent.and_then(|agent| history.times.at(agent, id.seq)))
    }
}
