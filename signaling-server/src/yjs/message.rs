//! The frames of the y-websocket protocol. Updates are bytes here, and of presence the ids and clocks
//! are read.

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::IgnoredAny;

const SYNC: u64 = 0;
const AWARENESS: u64 = 1;
const AUTH: u64 = 2;
const QUERY_AWARENESS: u64 = 3;

const SYNC_STEP_1: u64 = 0;
const SYNC_STEP_2: u64 = 1;
const SYNC_UPDATE: u64 = 2;

/// The most presences in one frame. A client that hears of everyone in a large room repeats as many.
const MAX_PRESENCES: u64 = 2048;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The client says how far it is, by a state vector, and asks for the rest.
    Step1(Bytes),
    /// A change, or the answer to the server's own question what it lacks.
    Update(Bytes),
    /// Who is there, and where their cursors are.
    Awareness(Vec<Presence>),
    /// The client asks who is there.
    QueryAwareness,
    /// The client shows a token or the like.
    Auth,
    /// Something else, perhaps of a later version.
    Unknown,
}

/// One user's presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Presence {
    pub(super) client: u64,
    pub(super) clock: u64,
    /// JSON; `null` for someone who has left.
    pub(super) state: Bytes,
}

impl Presence {
    pub(super) fn has_left(&self) -> bool {
        self.state == b"null".as_slice()
    }

    /// The presence that takes this one away.
    pub(super) fn left(&self) -> Self {
        let state = Bytes::from_static(b"null");
        Self {
            client: self.client,
            clock: self.clock.saturating_add(1),
            state,
        }
    }
}

/// Why a frame is none of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the frame ends too early")]
    TooShort,
    #[error("a number is larger than JavaScript's largest safe integer")]
    NumberTooLarge,
    #[error("a frame may have {max} presences at most, not {0}", max = MAX_PRESENCES)]
    TooManyPresences(u64),
    #[error("a presence is not JSON")]
    NotJson,
    #[error("a presence in the frame: {0}")]
    Presence(Box<FrameError>),
}

impl FrameError {
    pub(super) fn is_too_many(&self) -> bool {
        matches!(self, FrameError::TooManyPresences(_))
    }
}

pub(super) fn parse(frame: Bytes) -> Result<Incoming, FrameError> {
    let mut reader = Reader(frame);
    match reader.number()? {
        SYNC => match reader.number()? {
            SYNC_STEP_1 => reader.bytes().map(Incoming::Step1),
            SYNC_STEP_2 | SYNC_UPDATE => reader.bytes().map(Incoming::Update),
            _ => Ok(Incoming::Unknown),
        },
        AWARENESS => {
            let presences = reader.bytes().and_then(awareness);
            let presences = presences.map_err(|error| FrameError::Presence(Box::new(error)));
            presences.map(Incoming::Awareness)
        }
        AUTH => Ok(Incoming::Auth),
        QUERY_AWARENESS => Ok(Incoming::QueryAwareness),
        _ => Ok(Incoming::Unknown),
    }
}

fn awareness(bytes: Bytes) -> Result<Vec<Presence>, FrameError> {
    let mut reader = Reader(bytes);
    let count = reader.number()?;
    if count > MAX_PRESENCES {
        return Err(FrameError::TooManyPresences(count));
    }
    let mut all = Vec::new();
    for _ in 0..count {
        let (client, clock) = (reader.number()?, reader.number()?);
        let state = reader.bytes()?;
        // Clients parse it as soon as it comes.
        serde_json::from_slice::<IgnoredAny>(&state).map_err(|_| FrameError::NotJson)?;
        all.push(Presence {
            client,
            clock,
            state,
        });
    }
    Ok(all)
}

/// A change, for the other clients.
pub(super) fn update(update: &[u8]) -> Vec<u8> {
    sync_frame(SYNC_UPDATE, update)
}

/// Tells a client what it lacks, and that it has everything then.
pub(super) fn answer(update: &[u8]) -> Vec<u8> {
    sync_frame(SYNC_STEP_2, update)
}

/// Asks a client for what goes beyond a state vector.
pub(super) fn ask_for_more_than(state: &[u8]) -> Vec<u8> {
    sync_frame(SYNC_STEP_1, state)
}

pub(super) fn presence(all: &[Presence]) -> Bytes {
    let mut inner = BytesMut::new();
    put_number(&mut inner, all.len() as u64);
    for Presence {
        client,
        clock,
        state,
    } in all
    {
        put_number(&mut inner, *client);
        put_number(&mut inner, *clock);
        put_bytes(&mut inner, state);
    }
    let mut frame = BytesMut::new();
    put_number(&mut frame, AWARENESS);
    put_bytes(&mut frame, &inner);
    frame.freeze()
}

/// Tells a client why it may not come in.
pub(super) fn denied(reason: &str) -> Bytes {
    let mut frame = BytesMut::new();
    put_number(&mut frame, AUTH);
    put_number(&mut frame, 0);
    put_bytes(&mut frame, reason.as_bytes());
    frame.freeze()
}

fn sync_frame(kind: u64, content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(content.len() + 12);
    put_number(&mut frame, SYNC);
    put_number(&mut frame, kind);
    put_bytes(&mut frame, content);
    frame
}

fn put_number(frame: &mut impl BufMut, mut number: u64) {
    while number >= 0x80 {
        frame.put_u8((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    frame.put_u8(number as u8);
}

fn put_bytes(frame: &mut impl BufMut, bytes: &[u8]) {
    put_number(frame, bytes.len() as u64);
    frame.put_slice(bytes);
}

struct Reader(Bytes);

impl Reader {
    /// Seven bits a byte, the lowest first; the highest bit says that there are more.
    fn number(&mut self) -> Result<u64, FrameError> {
        let mut number = 0u64;
        for shift in (0..=49).step_by(7) {
            let byte = *self.0.first().ok_or(FrameError::TooShort)?;
            self.0 = self.0.slice(1..);
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return if number < 1 << 53 {
                    Ok(number)
                } else {
                    Err(FrameError::NumberTooLarge)
                };
            }
        }
        Err(FrameError::NumberTooLarge)
    }

    fn bytes(&mut self) -> Result<Bytes, FrameError> {
        let len = usize::try_from(self.number()?).map_err(|_| FrameError::NumberTooLarge)?;
        if len > self.0.len() {
            return Err(FrameError::TooShort);
        }
        Ok(self.0.split_to(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: &'static [u8]) -> Bytes {
        Bytes::from_static(bytes)
    }

    #[test]
    fn frames_are_those_that_y_websocket_writes() {
        // As y-protocols 1.0 encodes them.
        assert_eq!(
            parse(bytes(&[0, 0, 1, 0])),
            Ok(Incoming::Step1(bytes(&[0])))
        );
        assert_eq!(
            parse(bytes(&[0, 0, 3, 1, 5, 9])),
            Ok(Incoming::Step1(bytes(&[1, 5, 9])))
        );
        assert_eq!(
            parse(bytes(&[0, 1, 2, 0, 0])),
            Ok(Incoming::Update(bytes(&[0, 0])))
        );
        assert_eq!(
            parse(bytes(&[0, 2, 2, 7, 8])),
            Ok(Incoming::Update(bytes(&[7, 8])))
        );
        assert_eq!(parse(bytes(&[3])), Ok(Incoming::QueryAwareness));
        assert_eq!(parse(bytes(&[4, 1, 2, 3])), Ok(Incoming::Unknown));
        assert_eq!(parse(bytes(&[0, 9])), Ok(Incoming::Unknown));
        assert_eq!(parse(bytes(&[2, 0, 0])), Ok(Incoming::Auth));
        assert_eq!(answer(&[0, 0]), [0, 1, 2, 0, 0]);
        assert_eq!(ask_for_more_than(&[0]), [0, 0, 1, 0]);
        assert_eq!(update(&[7, 8]), [0, 2, 2, 7, 8]);
        assert_eq!(denied("no"), bytes(&[2, 0, 2, b'n', b'o']));
    }

    #[test]
    fn presence_round_trips() {
        let all = vec![
            Presence {
                client: 300,
                clock: 7,
                state: bytes(b"{\"x\":1}"),
            },
            Presence {
                client: (1 << 53) - 1,
                clock: 0,
                state: bytes(b"null"),
            },
        ];
        assert_eq!(parse(presence(&all)), Ok(Incoming::Awareness(all.clone())));
        assert!(!all[0].has_left() && all[1].has_left() && all[0].left().has_left());
        assert_eq!(all[0].left().clock, 8);
    }

    #[test]
    fn what_is_cut_short_or_boundless_is_refused() {
        let good = presence(&[Presence {
            client: 300,
            clock: 7,
            state: bytes(b"{}"),
        }]);
        assert_eq!(parse(Bytes::new()), Err(FrameError::TooShort));
        let presence_error = |error| Err(FrameError::Presence(Box::new(error)));
        for len in 1..good.len() {
            let cut = parse(good.slice(..len));
            assert_eq!(cut, presence_error(FrameError::TooShort), "{len}");
        }
        let not_json = presence(&[Presence {
            client: 1,
            clock: 1,
            state: bytes(b"{"),
        }]);
        assert_eq!(parse(not_json), presence_error(FrameError::NotJson));
        assert_eq!(parse(bytes(&[0xFF; 20])), Err(FrameError::NumberTooLarge));
        let large = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F];
        assert_eq!(
            parse(Bytes::copy_from_slice(&large)),
            Err(FrameError::NumberTooLarge)
        );
        // A length far beyond the frame allocates nothing.
        assert_eq!(
            parse(bytes(&[0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F])),
            Err(FrameError::TooShort)
        );
        assert_eq!(
            parse(bytes(&[1, 4, 0xFF, 0xFF, 0xFF, 0x7F])),
            presence_error(FrameError::TooManyPresences(0x0FFF_FFFF))
        );
        let cut = parse(bytes(&[1, 2, 0x80, 0x10]));
        assert_eq!(cut, presence_error(FrameError::TooShort));
    }

    #[test]
    fn random_bytes_never_do_more_than_fail() {
        let seed = fastrand::u64(..);
        println!("SEED={seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..20_000 {
            let len = random.usize(..40);
            let frame: Vec<u8> = (0..len)
                .map(|_| random.u8(..) % if random.bool() { 5 } else { 255 })
                .collect();
            if let Ok(Incoming::Awareness(all)) = parse(frame.clone().into()) {
                assert!(all.len() <= frame.len());
            }
        }
    }
}
