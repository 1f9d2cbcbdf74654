//! Jobs of the cipher for one purpose of sealed messages. At most one message is sealed and one opened at a time, so that
//! messages keep their order.

use crate::ids::Purpose;
use crate::output::{CipherCommand, Output};

/// The jobs in progress: the data of the message that is being sealed, and of the one that is being
/// opened.
#[derive(Debug)]
pub(crate) struct CipherJobs<S, O> {
    last: u32,
    sealing: Option<(u32, S)>,
    opening: Option<(u32, O)>,
}

impl<S, O> Default for CipherJobs<S, O> {
    fn default() -> Self {
        CipherJobs {
            last: 0,
            sealing: None,
            opening: None,
        }
    }
}

impl<S, O> CipherJobs<S, O> {
    /// An empty set of jobs, whose numbers continue those of this one.
    pub(crate) fn afresh(&self) -> Self {
        CipherJobs {
            last: self.last,
            ..CipherJobs::default()
        }
    }

    pub(crate) fn can_seal(&self) -> bool {
        self.sealing.is_none()
    }

    pub(crate) fn can_open(&self) -> bool {
        self.opening.is_none()
    }

    /// Starts sealing a message; signs it first if `sign` and if this member may write.
    pub(crate) fn seal(
        &mut self,
        purpose: Purpose,
        message: S,
        plain: Vec<u8>,
        context: String,
        sign: bool,
    ) -> Output {
        let job = self.next();
        self.sealing = Some((job, message));
        Output::Cipher(CipherCommand::Seal {
            purpose,
            job,
            plain,
            context,
            sign,
        })
    }

    /// Starts opening a message.
    pub(crate) fn open(
        &mut self,
        purpose: Purpose,
        message: O,
        sealed: Vec<u8>,
        context: String,
    ) -> Output {
        let job = self.next();
        self.opening = Some((job, message));
        Output::Cipher(CipherCommand::Open {
            purpose,
            job,
            sealed,
            context,
        })
    }

    /// The data of a finished sealing job; `None`: the job was forgotten.
    pub(crate) fn sealed(&mut self, job: u32) -> Option<S> {
        let ended = self.sealing.take_if(|(number, _)| *number == job);
        ended.map(|(_, message)| message)
    }

    /// The same for an opening job.
    pub(crate) fn opened(&mut self, job: u32) -> Option<O> {
        let ended = self.opening.take_if(|(number, _)| *number == job);
        ended.map(|(_, message)| message)
    }

    fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}
