//! A WebSocket client that costs the machine little: it shares two cores with the server that it
//! measures, so one system call reads and writes as many frames as there are, the buffer to read
//! into is shared by all clients, and nothing is allocated for a frame. Libraries are made for
//! programs that keep what they read.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

/// Larger than anything that the servers send in these measurements.
const READ_BUFFER: usize = 256 * 1024;

/// The key of the handshake, and what the server has to answer to it, out of RFC 6455.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A server unmasks the same whatever the key; that it be unpredictable matters to browsers alone.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x96, 0x3d];

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PONG: u8 = 10;

/// What came from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Text(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The close code; 1005 where there is none.
    Close(u16),
}

/// The half of a socket that reads.
pub(crate) struct Reader {
    stream: OwnedReadHalf,
    /// The beginning of a frame whose rest has not come yet.
    partial: Vec<u8>,
}

/// The half of a socket that writes.
pub(crate) struct Writer {
    stream: OwnedWriteHalf,
}

/// A masked text frame, ready to be sent, whose text may be changed in place.
#[derive(Debug, Clone)]
pub(crate) struct TextFrame {
    bytes: Vec<u8>,
    head: usize,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BUFFER]);
}

/// Connects from a loopback address, so that many clients do not run out of ports.
pub(crate) async fn connect(
    from: IpAddr,
    server: SocketAddr,
    path: &str,
) -> io::Result<(Reader, Writer)> {
    let socket = TcpSocket::new_v4()?;
    // Ports of sockets that were closed a moment ago may be used again.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(from, 0))?;
    let mut stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let partial = read_answer(&mut stream).await?;
    let (reader, writer) = stream.into_split();
    let reader = Reader {
        stream: reader,
        partial,
    };
    Ok((reader, Writer { stream: writer }))
}

/// Reads the answer to the handshake; returns what came behind it.
async fn read_answer(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let end = loop {
        if let Some(end) = find(&answer, b"\r\n\r\n") {
            break end + 4;
        }
        if answer.len() > 4096 || stream.read_buf(&mut answer).await? == 0 {
            return Err(unexpected(&"the server's answer has no end"));
        }
    };
    let rest = answer.split_off(end);
    let answer = String::from_utf8_lossy(&answer);
    if !answer.starts_with("HTTP/1.1 101 ") || !answer.contains(ACCEPT) {
        let first = answer.lines().next().unwrap_or_default();
        return Err(unexpected(&format!("the server answered {first:?}")));
    }
    // A Vec that has grown to the size of the answer would be kept for each client.
    Ok(rest.into_boxed_slice().into_vec())
}

impl Reader {
    /// Waits for frames, and shows all that one system call gives, in order.
    pub(crate) async fn read(&mut self, mut take: impl FnMut(Frame<'_>)) -> io::Result<()> {
        // What came with the answer to the handshake may be whole already.
        if self.take_whole(&mut take)? {
            return Ok(());
        }
        poll_fn(|cx| {
            BUFFER.with_borrow_mut(|buffer| {
                let kept = self.partial.len();
                let mut space = ReadBuf::new(buffer.get_mut(kept..).unwrap_or_default());
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
                let read = space.filled().len();
                if read == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                buffer[..kept].copy_from_slice(&self.partial);
                let bytes = &buffer[..kept + read];
                let used = parse(bytes, &mut take)?;
                self.keep(&bytes[used..])?;
                Poll::Ready(Ok(()))
            })
        })
        .await
    }

    fn take_whole(&mut self, take: &mut impl FnMut(Frame<'_>)) -> io::Result<bool> {
        if self.partial.is_empty() {
            return Ok(false);
        }
        let bytes = std::mem::take(&mut self.partial);
        let used = parse(&bytes, take)?;
        self.keep(&bytes[used..])?;
        Ok(used > 0)
    }

    fn keep(&mut self, rest: &[u8]) -> io::Result<()> {
        if rest.len() >= READ_BUFFER {
            return Err(unexpected(&"the server sent an endless frame"));
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        Ok(())
    }
}

impl Writer {
    /// Sends bytes that are whole frames, in one system call where the kernel has room.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says goodbye as RFC 6455 asks.
    pub(crate) async fn close(&self) -> io::Result<()> {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, CLOSE, &1000u16.to_be_bytes());
        self.send(&bytes).await
    }
}

impl TextFrame {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::new();
        let head = put_frame(&mut bytes, TEXT, text.as_bytes());
        Self { bytes, head }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Overwrites the text from `place` on.
    pub(crate) fn overwrite(&mut self, place: usize, text: &[u8]) {
        let spot = self.bytes.iter_mut().skip(self.head + place);
        for ((byte, new), index) in spot.zip(text).zip(place..) {
            *byte = new ^ MASK[index % 4];
        }
    }
}

/// Appends the answer to a ping.
pub(crate) fn put_pong(bytes: &mut Vec<u8>, payload: &[u8]) {
    put_frame(bytes, PONG, payload);
}

/// Appends a frame; returns where its payload begins in it.
fn put_frame(bytes: &mut Vec<u8>, opcode: u8, payload: &[u8]) -> usize {
    let start = bytes.len();
    bytes.push(0x80 | opcode);
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    let head = bytes.len() - start;
    let payload = payload.iter().take(usize::from(u16::MAX));
    bytes.extend(payload.zip(0..).map(|(byte, index)| byte ^ MASK[index % 4]));
    head
}

/// Shows the frames that are whole; returns how many bytes they have.
fn parse(bytes: &[u8], take: &mut impl FnMut(Frame<'_>)) -> io::Result<usize> {
    let mut used = 0;
    while let [first, second, rest @ ..] = &bytes[used..] {
        let (head, len) = match (second, rest) {
            (len @ 0..126, _) => (2, usize::from(*len)),
            (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                let len = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                (10, usize::try_from(len).unwrap_or(usize::MAX))
            }
            (126 | 127, _) => break,
            _ => return Err(unexpected(&"the server sent a masked frame")),
        };
        let Some(payload) = bytes[used + head..].get(..len) else {
            break;
        };
        match first {
            0x81 => take(Frame::Text(payload)),
            0x88 => take(Frame::Close(match payload {
                [a, b, ..] => u16::from_be_bytes([*a, *b]),
                _ => 1005,
            })),
            0x89 => take(Frame::Ping(payload)),
            0x8A => take(Frame::Pong),
            other => {
                return Err(unexpected(&format!(
                    "the server sent a frame of kind {other:#x}"
                )));
            }
        }
        used += head + len;
    }
    Ok(used)
}

/// Where `wanted` first stands in `bytes`.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

pub(crate) fn unexpected(what: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> (Vec<String>, usize) {
        let mut seen = Vec::new();
        let used = parse(bytes, &mut |frame| seen.push(format!("{frame:?}"))).unwrap();
        (seen, used)
    }

    #[test]
    fn frames_are_read_as_far_as_they_are_whole() {
        let long = vec![b'x'; 300];
        let bytes = [
            &[0x81, 2, b'h', b'i', 0x89, 0, 0x88, 2, 3, 232][..],
            &[0x81, 126, 1, 44],
            &long,
        ]
        .concat();
        let (seen, used) = frames(&bytes);
        assert_eq!(seen[..3], ["Text([104, 105])", "Ping([])", "Close(1000)"]);
        assert_eq!((seen.len(), used), (4, bytes.len()));
        for end in 0..bytes.len() {
            let (seen, used) = frames(&bytes[..end]);
            assert!(seen.len() < 4 && used <= end);
        }
        assert!(parse(&[0x81, 0x80, 0, 0, 0, 0], &mut |_| {}).is_err());
        assert!(parse(&[0x01, 0], &mut |_| {}).is_err());
    }

    #[test]
    fn a_text_frame_is_masked_and_may_be_overwritten() {
        for len in [5, 200] {
            let mut frame = TextFrame::new(&"a".repeat(len));
            frame.overwrite(2, b"xyz");
            let payload = frame.bytes[frame.head..].iter().zip(0..);
            let text: Vec<u8> = payload.map(|(byte, i)| byte ^ MASK[i % 4]).collect();
            assert_eq!(text, format!("aaxyz{}", "a".repeat(len - 5)).as_bytes());
        }
    }
}
