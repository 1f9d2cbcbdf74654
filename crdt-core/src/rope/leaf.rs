//! A leaf of the rope: a gap buffer. Typing and deleting at one place moves no bytes.

/// The size of a piece of text, in every unit.
///
/// Chars and UTF-16 units are kept as differences, so that ASCII text, which is most text, changes
/// a single number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) bytes: u32,
    /// Bytes that continue a char.
    continued: u32,
    /// Chars that take two UTF-16 units.
    astral: u32,
    /// Line feeds.
    pub(crate) lines: u32,
}

impl Size {
    pub(crate) fn of(text: &[u8]) -> Size {
        let mut size = Size::of_ascii(text);
        if !text.is_ascii() {
            size.continued = count(text, is_continuation);
            size.astral = count(text, |b| b >= 0xf0);
        }
        size
    }

    /// The size of text that is known to be ASCII.
    fn of_ascii(text: &[u8]) -> Size {
        Size {
            bytes: text.len() as u32,
            lines: count(text, |b| b == b'\n'),
            ..Size::default()
        }
    }

    /// The size of ASCII text without counting lines.
    #[inline]
    pub(super) fn of_bytes(bytes: usize) -> Size {
        Size {
            bytes: bytes as u32,
            ..Size::default()
        }
    }

    /// The same size without its lines.
    pub(super) fn without_lines(self) -> Size {
        Size { lines: 0, ..self }
    }

    /// The size of a piece of a text that has the size `self`. If that has no line feeds, none are
    /// searched.
    #[inline]
    fn of_piece(&self, piece: &[u8]) -> Size {
        match (self.is_ascii(), self.lines > 0) {
            (true, false) => Size::of_bytes(piece.len()),
            (true, true) => Size::of_ascii(piece),
            (false, true) => Size::of(piece),
            (false, false) => Size::of(piece).without_lines(),
        }
    }

    pub(crate) fn chars(&self) -> u32 {
        self.bytes.wrapping_sub(self.continued)
    }

    pub(crate) fn utf16(&self) -> u32 {
        self.chars().wrapping_add(self.astral)
    }

    /// Whether a place has the same number in chars and UTF-16 units.
    pub(crate) fn is_bmp(&self) -> bool {
        self.astral == 0
    }

    /// Whether a place has the same number in bytes, chars and UTF-16 units.
    pub(crate) fn is_ascii(&self) -> bool {
        self.continued == 0
    }

    pub(crate) fn add(&mut self, other: Size) {
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.continued = self.continued.wrapping_add(other.continued);
        self.astral = self.astral.wrapping_add(other.astral);
        self.lines = self.lines.wrapping_add(other.lines);
    }

    pub(crate) fn sub(&mut self, other: Size) {
        self.bytes = self.bytes.wrapping_sub(other.bytes);
        self.continued = self.continued.wrapping_sub(other.continued);
        self.astral = self.astral.wrapping_sub(other.astral);
        self.lines = self.lines.wrapping_sub(other.lines);
    }

    pub(crate) fn plus(mut self, other: Size) -> Size {
        self.add(other);
        self
    }

    pub(crate) fn minus(mut self, other: Size) -> Size {
        self.sub(other);
        self
    }
}

/// A unit in which a place in a text can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Chars,
    Utf16,
    Lines,
}

impl Unit {
    pub(crate) fn of(self, size: &Size) -> u32 {
        match self {
            Unit::Bytes => size.bytes,
            Unit::Chars => size.chars(),
            Unit::Utf16 => size.utf16(),
            Unit::Lines => size.lines,
        }
    }
}

/// The number of bytes for which `such` is true. Counted in bytes as far as they go, so that vector
/// instructions count the most at once.
fn count(text: &[u8], such: impl Fn(u8) -> bool) -> u32 {
    let chunks = text.chunks(usize::from(u8::MAX));
    chunks
        .map(|chunk| u32::from(chunk.iter().fold(0, |n, &b| n + u8::from(such(b)))))
        .sum()
}

fn is_continuation(b: u8) -> bool {
    b & 0xc0 == 0x80
}

/// The number of bytes of the first `chars` chars of `text`.
fn bytes_of_first(text: &[u8], chars: u32) -> usize {
    let mut left = chars;
    for (i, &b) in text.iter().enumerate() {
        if !is_continuation(b) {
            if left == 0 {
                return i;
            }
            left -= 1;
        }
    }
    text.len()
}

/// The number of bytes of the last `chars` chars of `text`.
fn bytes_of_last(text: &[u8], chars: u32) -> usize {
    let mut left = chars;
    for (i, &b) in text.iter().enumerate().rev() {
        if left == 0 {
            return text.len() - i - 1;
        }
        left -= u32::from(!is_continuation(b));
    }
    text.len()
}

/// The number of bytes of text that a leaf holds. Small in builds with debug assertions, so that a
/// test of a few edits reaches splits.
pub(crate) const CAPACITY: usize = if cfg!(debug_assertions) { 16 } else { 1000 };

#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) parent: u32,
    size: Size,
    /// The text before the gap, at the start of `buf`, in bytes; the rest is at the end of `buf`.
    left: u32,
    /// The number of bytes before the gap that continue a char.
    left_continued: u32,
    buf: [u8; CAPACITY],
}

impl Leaf {
    /// A leaf with a text of this size.
    pub(crate) fn new(parent: u32, text: &[u8], size: Size) -> Leaf {
        let mut buf = [0; CAPACITY];
        buf[..text.len()].copy_from_slice(text);
        Leaf {
            parent,
            size,
            left: size.bytes,
            left_continued: size.continued,
            buf,
        }
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    pub(crate) fn free(&self) -> usize {
        CAPACITY - self.size.bytes as usize
    }

    /// Where the gap is, in chars.
    #[inline]
    fn gap(&self) -> u32 {
        self.left - self.left_continued
    }

    /// The start of the text after the gap in `buf`.
    #[inline]
    fn right(&self) -> usize {
        CAPACITY - (self.size.bytes - self.left) as usize
    }

    /// The text, in two pieces.
    pub(crate) fn text(&self) -> [&[u8]; 2] {
        [&self.buf[..self.left as usize], &self.buf[self.right()..]]
    }

    /// The text after its first `read` bytes, as far as it is contiguous; `None` at the end.
    pub(crate) fn text_from(&self, read: usize) -> Option<&[u8]> {
        let [left, right] = self.text();
        let piece = match left.get(read..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => right.get(read - left.len()..)?,
        };
        (!piece.is_empty()).then_some(piece)
    }

    /// The number of bytes of the last `chars` chars before the gap.
    #[inline]
    fn bytes_before(&self, chars: u32) -> usize {
        if self.size.is_ascii() {
            return chars as usize;
        }
        bytes_of_last(&self.buf[..self.left as usize], chars)
    }

    /// The number of bytes of the first `chars` chars after the gap.
    #[inline]
    fn bytes_behind(&self, chars: u32) -> usize {
        if self.size.is_ascii() {
            return chars as usize;
        }
        bytes_of_first(&self.buf[self.right()..], chars)
    }

    /// Moves the gap to the place after the first `chars` chars.
    fn move_gap(&mut self, chars: u32) {
        let (gap, left, right) = (self.gap(), self.left as usize, self.right());
        if chars < gap {
            let moved = gap - chars;
            let bytes = self.bytes_before(moved);
            self.buf.copy_within(left - bytes..left, right - bytes);
            self.left -= bytes as u32;
            self.left_continued -= bytes as u32 - moved;
        } else if chars > gap {
            let moved = chars - gap;
            let bytes = self.bytes_behind(moved);
            self.buf.copy_within(right..right + bytes, left);
            self.left += bytes as u32;
            self.left_continued += bytes as u32 - moved;
        }
    }

    /// Inserts an ASCII byte after the first `chars` chars if the gap is there, and returns whether
    /// it did.
    #[inline]
    pub(crate) fn type_byte(&mut self, chars: u32, byte: u8) -> bool {
        if chars != self.gap() || self.size.bytes as usize >= CAPACITY {
            return false;
        }
        self.buf[self.left as usize] = byte;
        self.left += 1;
        self.size.bytes += 1;
        if byte == b'\n' {
            self.size.lines += 1;
        }
        true
    }

    /// Deletes the char before or after the gap if that is the one after the first `chars` chars
    /// and this needs no search; returns the number of deleted line feeds if it did.
    #[inline]
    pub(crate) fn erase_byte(&mut self, chars: u32) -> Option<u32> {
        if self.size.bytes as usize <= CAPACITY / 4 {
            return None;
        }
        let gap = self.gap();
        let is_before = chars < gap && gap - chars == 1;
        let at = if is_before {
            self.left as usize - 1
        } else if chars == gap && self.left < self.size.bytes {
            self.right()
        } else {
            return None;
        };
        let byte = self.buf[at];
        if !byte.is_ascii() {
            return None;
        }
        self.left -= u32::from(is_before);
        self.size.bytes -= 1;
        let lines = u32::from(byte == b'\n');
        self.size.lines -= lines;
        Some(lines)
    }

    /// Inserts `text` after the first `chars` chars. There is room for it.
    pub(crate) fn insert(&mut self, chars: u32, text: &[u8], size: Size) {
        self.move_gap(chars);
        let at = self.left as usize;
        if let [b] = text {
            self.buf[at] = *b;
        } else {
            self.buf[at..at + text.len()].copy_from_slice(text);
        }
        self.left += size.bytes;
        self.left_continued += size.continued;
        self.size.add(size);
    }

    /// Deletes `len` chars after the first `chars` chars; all of them are in this leaf.
    pub(crate) fn delete(&mut self, chars: u32, len: u32) {
        // The gap goes to the nearer end of the range, if it is not inside.
        if chars > self.gap() {
            self.move_gap(chars);
        } else if chars + len < self.gap() {
            self.move_gap(chars + len);
        }
        let before = self.gap() - chars;
        if before > 0 {
            let end = self.left as usize;
            let bytes = self.bytes_before(before);
            let gone = self.size.of_piece(&self.buf[end - bytes..end]);
            self.left -= bytes as u32;
            self.left_continued -= gone.continued;
            self.size.sub(gone);
        }
        let behind = len - before;
        if behind > 0 {
            let start = self.right();
            let bytes = self.bytes_behind(behind);
            let gone = self.size.of_piece(&self.buf[start..start + bytes]);
            self.size.sub(gone);
        }
    }

    /// Splits off everything after the first `chars` chars.
    pub(crate) fn split_off(&mut self, chars: u32) -> Leaf {
        self.move_gap(chars);
        let tail = self.text()[1];
        let size = self.size.of_piece(tail);
        let tail = Leaf::new(self.parent, tail, size);
        self.size.sub(size);
        tail
    }

    /// A position at most one char from the middle of the bytes, in chars.
    pub(crate) fn middle(&self) -> u32 {
        let size = self.size();
        if size.is_ascii() {
            return size.chars() / 2;
        }
        let half = size.bytes as usize / 2;
        let bytes = self.text().into_iter().flatten().take(half);
        bytes.filter(|&&b| !is_continuation(b)).count() as u32
    }

    /// Counts the lines anew, and returns the size.
    pub(super) fn count_lines(&mut self) -> Size {
        let lines = self.text().map(|piece| count(piece, |b| b == b'\n'));
        self.size.lines = lines[0] + lines[1];
        self.size
    }

    /// Appends the text of `other`. There is room for it.
    pub(crate) fn append(&mut self, other: &Leaf) {
        self.move_gap(self.size.chars());
        self.size.add(other.size);
        self.left_continued += other.size.continued;
        for piece in other.text() {
            let at = self.left as usize;
            self.buf[at..at + piece.len()].copy_from_slice(piece);
            self.left += piece.len() as u32;
        }
    }

    /// The size of the text before the place `n`, counted in `unit`; a place inside a char counts
    /// as the place before it. For lines: the text up to and with the `n`th line feed.
    pub(crate) fn size_before(&self, n: u32, unit: Unit) -> Size {
        if unit != Unit::Lines && self.size().is_ascii() {
            // All ASCII: every unit but lines is one byte.
            let left = self.left.min(n) as usize;
            let start = self.right();
            return Size::of(&self.buf[..left])
                .plus(Size::of(&self.buf[start..start + (n as usize - left)]));
        }
        let mut size = Size::default();
        let mut bytes = self.text().into_iter().flatten().copied().peekable();
        while unit.of(&size) < n {
            let Some(first) = bytes.next() else { break };
            let mut one = Size::of(&[first]);
            while bytes.next_if(|&b| is_continuation(b)).is_some() {
                one.bytes += 1;
                one.continued += 1;
            }
            if unit.of(&size) + unit.of(&one) > n {
                break;
            }
            size.add(one);
        }
        size
    }
}
