//! Has a large frame of a client come as several small ones.
//!
//! The WebSocket layer has a buffer as large as the largest frame that ever came, for as long as the socket is open.
//! In pieces a message is put together elsewhere, in memory that is given back with the message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The payload of a piece in bytes: larger frames are cut. A multiple of four, so that the mask of a frame, which
/// repeats itself after four bytes, serves its pieces as it is.
pub(crate) const PIECE: usize = 4096;

/// The longest head of a frame in bytes: two, a length of eight, and a mask.
const MOST_HEAD: usize = 14;

const FINAL: u8 = 0x80;
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;
/// Stand in the place of a length, which follows in two or eight bytes.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;

/// A client's stream, in which no frame is larger than [`PIECE`], except one that is refused for its size.
pub(crate) struct Pieces<S> {
    stream: S,
    /// What was read behind the request, and not yet taken from here.
    ahead: Vec<u8>,
    /// Larger frames are left as they are: whoever reads refuses them when their head comes.
    largest: u64,
    place: Place,
    /// The beginning of a head whose end has not come.
    partial: Head,
    /// A head that was made here, and not yet taken.
    made: Head,
}

/// Where the stream is.
#[derive(Clone, Copy)]
enum Place {
    /// In a frame that is left as it is, or between two of them where no bytes are left.
    Whole { left: u64 },
    /// In a frame that is cut: what is left of it, and of its piece.
    Cut { left: u64, piece: usize, cut: Cut },
}

/// What the pieces of a frame have of it.
#[derive(Clone, Copy)]
struct Cut {
    /// The bit that says whether the message ends with the frame.
    last: u8,
    mask: Option<[u8; 4]>,
}

/// A part of the head of a frame.
#[derive(Default)]
struct Head {
    bytes: [u8; MOST_HEAD],
    len: usize,
}

impl Head {
    fn of(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        for byte in bytes {
            head.push(*byte);
        }
        head
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Moves as much into a buffer as it takes.
    fn move_into(&mut self, buffer: &mut ReadBuf<'_>) {
        let bytes = self.bytes();
        let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
        buffer.put_slice(now);
        *self = Self::of(later);
    }
}

impl<S> Pieces<S> {
    /// `ahead` was read from the stream before, and comes first. A message may have `largest` bytes.
    pub(crate) fn new(stream: S, ahead: Vec<u8>, largest: usize) -> Self {
        Self {
            stream,
            ahead,
            largest: largest as u64,
            place: Place::Whole { left: 0 },
            partial: Head::default(),
            made: Head::default(),
        }
    }

    /// The stream below.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream below; what is read from it is missing here.
    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Follows the frames in bytes that begin in one that is left as it is. The first that is to be cut becomes a
    /// piece. Returns how many bytes may be shown: behind them is the beginning of a head, which is kept.
    fn follow(&mut self, bytes: &mut [u8]) -> usize {
        let Place::Whole { mut left } = self.place else {
            return bytes.len();
        };
        let mut at = 0;
        loop {
            let rest = bytes.len() - at;
            if left >= rest as u64 {
                self.place = Place::Whole {
                    left: left - rest as u64,
                };
                return bytes.len();
            }
            at += left as usize;
            let Some(len) = head_len(&bytes[at..]).filter(|len| bytes.len() - at >= *len) else {
                self.place = Place::Whole { left: 0 };
                self.partial = Head::of(&bytes[at..]);
                return at;
            };
            let (head, payload) = bytes[at..].split_at_mut(len);
            match begin(head, self.largest) {
                Place::Whole { left: size } => left = size,
                Place::Cut { left, piece, cut } => {
                    // A read is never longer than a piece, so neither ends here.
                    self.place = Place::Cut {
                        left: left.saturating_sub(payload.len() as u64),
                        piece: piece.saturating_sub(payload.len()),
                        cut,
                    };
                    return bytes.len();
                }
            }
            at += len;
        }
    }
}

impl<S: AsyncRead + Unpin> Pieces<S> {
    /// Reads a number of bytes at most; how many came.
    fn read_some(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let most = most.min(buffer.remaining());
        if !self.ahead.is_empty() {
            let now = most.min(self.ahead.len());
            buffer.put_slice(&self.ahead[..now]);
            self.ahead.drain(..now);
            if self.ahead.is_empty() {
                self.ahead = Vec::new();
            }
            return Poll::Ready(Ok(now));
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(read))
    }

    /// Reads on in a head of which a part is here.
    fn read_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let whole = head_len(self.partial.bytes()).unwrap_or(2);
        let mut space = [0; MOST_HEAD];
        let mut space = ReadBuf::new(&mut space);
        let missing = whole.saturating_sub(self.partial.len);
        if ready!(self.read_some(cx, &mut space, missing))? == 0 {
            // The stream has ended within the head.
            self.made = std::mem::take(&mut self.partial);
            return Poll::Ready(Ok(()));
        }
        for byte in space.filled() {
            self.partial.push(*byte);
        }
        if head_len(self.partial.bytes()) == Some(self.partial.len) {
            self.made = std::mem::take(&mut self.partial);
            self.place = begin(&mut self.made.bytes, self.largest);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.made.len > 0 {
                this.made.move_into(buffer);
                return Poll::Ready(Ok(()));
            }
            match this.place {
                Place::Cut {
                    left,
                    piece: 0,
                    cut,
                } => {
                    let piece = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
                    this.made = cut.head(piece, left);
                    this.place = Place::Cut { left, piece, cut };
                }
                Place::Cut { left, piece, cut } => {
                    let read = ready!(this.read_some(cx, buffer, piece))?;
                    let left = left.saturating_sub(read as u64);
                    this.place = match left {
                        0 => Place::Whole { left: 0 },
                        left => Place::Cut {
                            left,
                            piece: piece.saturating_sub(read),
                            cut,
                        },
                    };
                    return Poll::Ready(Ok(()));
                }
                Place::Whole { .. } if this.partial.len > 0 => ready!(this.read_head(cx))?,
                Place::Whole { .. } => {
                    let before = buffer.filled().len();
                    if ready!(this.read_some(cx, buffer, PIECE))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let shown = this.follow(&mut buffer.filled_mut()[before..]);
                    buffer.set_filled(before + shown);
                    if shown > 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Cut {
    /// The head of a piece that is not the first of its frame, of which so many bytes are left.
    fn head(self, piece: usize, left: u64) -> Head {
        let last = if piece as u64 == left { self.last } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let mut head = Head::of(&[last]);
        match u8::try_from(piece) {
            Ok(short @ 0..TWO_BYTES) => head.push(masked | short),
            _ => {
                head.push(masked | TWO_BYTES);
                head.push((piece >> 8) as u8);
                head.push(piece as u8);
            }
        }
        for byte in self.mask.iter().flatten() {
            head.push(*byte);
        }
        head
    }
}

/// How long the head of a frame is that begins with these bytes, as soon as two are there.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let [_, second, ..] = bytes else {
        return None;
    };
    let length = match second & !MASKED {
        TWO_BYTES => 2,
        EIGHT_BYTES => 8,
        _ => 0,
    };
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    Some(2 + length + mask)
}

/// What comes after a whole head, which becomes that of the first piece where its frame is to be cut.
fn begin(head: &mut [u8], largest: u64) -> Place {
    let [first, second, rest @ ..] = head else {
        return Place::Whole { left: 0 };
    };
    let length = match *second & !MASKED {
        TWO_BYTES => 2,
        EIGHT_BYTES => 8,
        short => {
            let left = u64::from(short);
            return Place::Whole { left };
        }
    };
    let (length, mask) = rest.split_at_mut(length.min(rest.len()));
    let left = length
        .iter()
        .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
    if *first & CONTROL != 0 || left <= PIECE as u64 || left > largest {
        return Place::Whole { left };
    }
    let cut = Cut {
        last: *first & FINAL,
        mask: (*second & MASKED != 0)
            .then(|| mask.first_chunk().copied())
            .flatten(),
    };
    *first &= !FINAL;
    let bytes = (PIECE as u64).to_be_bytes();
    for (place, byte) in length.iter_mut().rev().zip(bytes.iter().rev()) {
        *place = *byte;
    }
    Place::Cut {
        left,
        piece: PIECE,
        cut,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::AsyncReadExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

    use super::*;

    const LARGEST: usize = 300_000;

    /// A frame of a client, with its length in as few bytes as it takes.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 77, 177, 1];
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..126 => bytes.push(MASKED | len as u8),
            len @ 126..65_536 => {
                bytes.push(MASKED | TWO_BYTES);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(MASKED | EIGHT_BYTES);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        bytes
    }

    /// A stream that gives a few bytes at a time.
    struct Trickle {
        bytes: Vec<u8>,
        at: usize,
        sizes: fastrand::Rng,
        most: usize,
    }

    impl AsyncRead for Trickle {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            let rest = &this.bytes[this.at..];
            let size = this.sizes.usize(1..=this.most);
            let size = size.min(rest.len()).min(buffer.remaining());
            buffer.put_slice(&rest[..size]);
            this.at += size;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Trickle {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn pieces(bytes: Vec<u8>, seed: u64, most: usize) -> Pieces<Trickle> {
        let mut bytes = bytes;
        let ahead = fastrand::Rng::with_seed(seed).usize(0..=bytes.len().min(20_000));
        let rest = bytes.split_off(ahead);
        let stream = Trickle {
            bytes: rest,
            at: 0,
            sizes: fastrand::Rng::with_seed(seed),
            most,
        };
        Pieces::new(stream, bytes, LARGEST)
    }

    async fn messages(
        bytes: Vec<u8>,
        seed: u64,
        most: usize,
    ) -> (Vec<Result<Message, Error>>, usize) {
        let config = WebSocketConfig::default()
            .read_buffer_size(2048)
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        let stream = pieces(bytes, seed, most);
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let mut all = Vec::new();
        while let Some(message) = socket.next().await {
            all.push(message);
        }
        let unread = socket.get_ref().get_ref();
        (all, unread.bytes.len() - unread.at)
    }

    #[tokio::test]
    async fn messages_of_any_size_come_as_they_were_sent_however_they_are_cut_on_the_way() {
        let payload = |size: usize| (0..size).map(|at| (at * 31) as u8).collect::<Vec<u8>>();
        let sizes = [
            0, 1, 125, 126, 4095, 4096, 4097, 4100, 4221, 4222, 8192, 65_535, 65_536, LARGEST, 3,
        ];
        let mut bytes = Vec::new();
        for size in sizes {
            bytes.extend(frame(0x82, &payload(size)));
        }
        // Text, and one message in frames of its own with a ping between them.
        let text = "aé😀".repeat(20_000);
        bytes.extend(frame(0x81, text.as_bytes()));
        bytes.extend(frame(0x02, &payload(10_000)));
        bytes.extend(frame(0x89, b"ping"));
        bytes.extend(frame(0x00, &payload(9_000)));
        bytes.extend(frame(0x80, &payload(5_000)));
        for (seed, most) in (0..60).zip([1, 3, 17, 2048, 5000, 100_000].into_iter().cycle()) {
            let (all, _) = messages(bytes.clone(), seed, most).await;
            let mut all = all.into_iter();
            for size in sizes {
                let message = all.next().unwrap().unwrap();
                assert_eq!(
                    message,
                    Message::binary(payload(size)),
                    "{size}, seed {seed}"
                );
            }
            assert_eq!(all.next().unwrap().unwrap(), Message::text(text.clone()));
            let ping = Message::Ping(b"ping".as_slice().into());
            assert_eq!(all.next().unwrap().unwrap(), ping);
            let whole = [payload(10_000), payload(9_000), payload(5_000)].concat();
            assert_eq!(all.next().unwrap().unwrap(), Message::binary(whole));
            assert!(all.next().unwrap().is_err(), "the stream has ended");
        }
    }

    #[tokio::test]
    async fn no_frame_is_larger_than_a_piece_and_any_buffer_serves() {
        let mut bytes = frame(0x82, &vec![1; 100_000]);
        bytes.extend(frame(0x82, b"end"));
        for (seed, space) in (0..40).zip([1, 2, 5, 13, 14, 15, 4096, 9000].into_iter().cycle()) {
            let mut stream = pieces(bytes.clone(), seed, 7000);
            let (mut seen, mut buffer) = (Vec::new(), vec![0; space]);
            while let size @ 1.. = stream.read(&mut buffer).await.unwrap() {
                seen.extend_from_slice(&buffer[..size]);
            }
            let (mut at, mut total, mut ends) = (0, 0, 0);
            while at < seen.len() {
                let len = head_len(&seen[at..]).unwrap();
                let Place::Whole { left } = begin(&mut seen[at..at + len], u64::MAX) else {
                    panic!("a large frame, seed {seed}");
                };
                ends += usize::from(seen[at] & FINAL != 0);
                at += len + left as usize;
                total += left;
            }
            assert_eq!((at, total, ends), (seen.len(), 100_003, 2));
        }
    }

    #[tokio::test]
    async fn what_is_larger_than_a_message_may_be_is_refused_when_its_head_comes() {
        let too_large = frame(0x82, &vec![0; LARGEST + 1]);
        let first = frame(0x02, &vec![0; LARGEST]);
        for bytes in [too_large, [first, frame(0x80, &[0; 5000])].concat()] {
            for seed in 0..10 {
                let (all, _) = messages(bytes.clone(), seed, 1000).await;
                let too_long = |error: &Error| {
                    matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. }))
                };
                assert!(all[0].as_ref().is_err_and(too_long), "{:?}", all[0]);
            }
        }
        let (_, unread) = messages(frame(0x82, &vec![0; LARGEST + 1]), 0, 1000).await;
        assert!(unread > LARGEST / 2, "{unread} bytes were not read");
    }
}
