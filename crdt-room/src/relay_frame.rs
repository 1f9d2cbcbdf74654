//! The content of a relayed message before it is sealed.

/// One relayed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Which of the sender's relay links to this peer it belongs to; later ones have higher numbers.
    pub(crate) epoch: u32,
    /// The newest of the receiver's links from which the sender had received a message; 0: none.
    pub(crate) answers: u32,
    /// The sender has no better link to the receiver.
    pub(crate) is_needed: bool,
    pub(crate) content: Content,
}

/// Its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    Binary(Vec<u8>),
    /// The sender has closed its link.
    Bye,
    /// Nothing: the frame reports that [`Frame::is_needed`] has changed.
    Need,
}

// 0 to 2 were kinds of a form without `answers`.
const TEXT: u8 = 3;
const BINARY: u8 = 4;
const BYE: u8 = 5;
const NEED: u8 = 6;

/// The bit of the first byte that is set where the sender has no better link.
const IS_NEEDED: u8 = 0x80;

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match &self.content {
            Content::Text(text) => (TEXT, text.as_bytes()),
            Content::Binary(bytes) => (BINARY, bytes),
            Content::Bye => (BYE, &[]),
            Content::Need => (NEED, &[]),
        };
        let mut bytes = Vec::with_capacity(9 + body.len());
        bytes.push(if self.is_needed {
            kind | IS_NEEDED
        } else {
            kind
        });
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(self.answers.to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// Reads a frame; `None` for anything else, or an unknown kind.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Frame> {
        let (&first, rest) = bytes.split_first()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (answers, body) = rest.split_first_chunk::<4>()?;
        let content = match first & !IS_NEEDED {
            TEXT => Content::Text(std::str::from_utf8(body).ok()?.to_owned()),
            BINARY => Content::Binary(body.to_vec()),
            BYE => Content::Bye,
            NEED => Content::Need,
            _ => return None,
        };
        Some(Frame {
            epoch: u32::from_le_bytes(*epoch),
            answers: u32::from_le_bytes(*answers),
            is_needed: first & IS_NEEDED != 0,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_round_trip() {
        for content in [
            Content::Text("é 🦊".to_owned()),
            Content::Text(String::new()),
            Content::Binary(vec![0, 255, 1]),
            Content::Bye,
            Content::Need,
        ] {
            for is_needed in [false, true] {
                let frame = Frame {
                    epoch: 0x0102_0304,
                    answers: 0x0506_0708,
                    is_needed,
                    content: content.clone(),
                };
                assert_eq!(Frame::decode(&frame.encode()), Some(frame));
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [
            &[][..],
            &[3],
            &[3, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[7, 0, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0xff],
        ] {
            assert_eq!(Frame::decode(bytes), None, "{bytes:?}");
        }
    }
}
