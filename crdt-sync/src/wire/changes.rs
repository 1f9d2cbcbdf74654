//! Changes of the document on a link.
//!
//! A patch begins with its version and the names of its agents; the rest refers to them by number.
//! Where the agents are those that the two ends of the link named in their hellos, which is so for
//! nearly every keystroke, that beginning is replaced by the kind of the message. Nothing depends on
//! earlier messages, so that a lost one cannot change the meaning of others.

use super::{Reader, kind, push_bytes};
use crate::error::WireError;

/// The first byte of the patches that can be shortened.
const PATCH_VERSION: u8 = 1;

/// The agents at the two ends of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) sender: &'a str,
    pub(crate) receiver: &'a str,
}

impl<'a> Names<'a> {
    /// The tables that a message's kind can stand for, from [`kind::CHANGES`] on.
    fn tables(self) -> [Vec<&'a str>; 4] {
        let Names { sender, receiver } = self;
        [
            vec![sender],
            vec![sender, receiver],
            vec![receiver, sender],
            vec![receiver],
        ]
    }

    /// The beginnings of patches that they stand for.
    fn beginnings(self) -> impl Iterator<Item = (u8, Vec<u8>)> {
        let beginning = |table: Vec<&str>| {
            let mut out = vec![PATCH_VERSION, table.len() as u8];
            table
                .iter()
                .for_each(|name| push_bytes(&mut out, name.as_bytes()));
            out
        };
        (kind::CHANGES..=kind::CHANGES_LAST).zip(self.tables().map(beginning))
    }
}

/// Makes a message of a patch.
pub(crate) fn pack(patch: &[u8], names: Names<'_>) -> Vec<u8> {
    let (kind, rest) = names
        .beginnings()
        .find_map(|(kind, beginning)| Some((kind, patch.strip_prefix(&*beginning)?)))
        .unwrap_or((kind::PATCH, patch));
    let mut out = Vec::with_capacity(1 + rest.len());
    out.push(kind);
    out.extend_from_slice(rest);
    out
}

/// Makes the patch of a message again; `first` is its kind, `body` what follows.
pub(crate) fn unpack(first: u8, body: &[u8], names: Names<'_>) -> Result<Vec<u8>, WireError> {
    if first == kind::PATCH {
        return Ok(Reader::new(body).rest().to_vec());
    }
    let what = "the kind of message";
    let found = u64::from(first);
    names
        .beginnings()
        .find(|(kind, _)| *kind == first)
        .map(|(_, beginning)| [&*beginning, body].concat())
        .ok_or(WireError::Invalid { what, found })
}
