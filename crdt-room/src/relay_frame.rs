//! What stands inside a relayed message, before it is encrypted.

/// One relayed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Which of the sender's relay links to this peer it belongs to; later ones have higher numbers.
    pub(crate) epoch: u32,
    pub(crate) content: Content,
}

/// What it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    Binary(Vec<u8>),
    /// The sender has given its link up, in favour of a better one.
    Bye,
}

const TEXT: u8 = 0;
const BINARY: u8 = 1;
const BYE: u8 = 2;

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (kind, body): (u8, &[u8]) = match &self.content {
            Content::Text(text) => (TEXT, text.as_bytes()),
            Content::Binary(bytes) => (BINARY, bytes),
            Content::Bye => (BYE, &[]),
        };
        let mut bytes = Vec::with_capacity(5 + body.len());
        bytes.push(kind);
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// Reads a frame; `None` for what is none, or of a kind this version does not know.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Frame> {
        let (&kind, rest) = bytes.split_first()?;
        let (epoch, body) = rest.split_first_chunk::<4>()?;
        let content = match kind {
            TEXT => Content::Text(std::str::from_utf8(body).ok()?.to_owned()),
            BINARY => Content::Binary(body.to_vec()),
            BYE => Content::Bye,
            _ => return None,
        };
        Some(Frame {
            epoch: u32::from_le_bytes(*epoch),
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_way() {
        for content in [
            Content::Text("é 🦊".to_owned()),
            Content::Text(String::new()),
            Content::Binary(vec![0, 255, 1]),
            Content::Bye,
        ] {
            let frame = Frame {
                epoch: 0x0102_0304,
                content,
            };
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [
            &[][..],
            &[0],
            &[0, 1, 2, 3],
            &[3, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0xff],
        ] {
            assert_eq!(Frame::decode(bytes), None, "{bytes:?}");
        }
    }
}
