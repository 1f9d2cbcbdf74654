//! A reader of JSON (RFC 8259): it reads the values that the formats use, and parses all others
//! only to skip them. Strings without escapes are borrowed from the text.
//!
//! It replaces a general library because browsers have to download it: it only knows whole numbers,
//! and has a tenth of the size.

use std::borrow::Cow;

use crate::error::DecodeError;

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 100;

/// A value.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    /// `true`, `false`, and numbers that are negative, fractional or beyond 64 bits.
    Other,
    Whole(u64),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    /// In the order of the text.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Reads a text that is one value.
    pub(super) fn parse(text: &'a str) -> Result<Value<'a>, DecodeError> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value(0)?;
        if reader.peek().is_some() {
            return Err(reader.error("something behind the end"));
        }
        Ok(value)
    }

    /// The field `name` of an object; the last one, if there are several.
    pub(super) fn get(&self, name: &str) -> Option<&Value<'a>> {
        let Value::Object(fields) = self else {
            return None;
        };
        let mut fields = fields.iter().rev();
        Some(&fields.find(|(key, _)| key == name)?.1)
    }

    pub(super) fn as_whole(&self) -> Option<u64> {
        match self {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_array(&self) -> Option<&[Value<'a>]> {
        match self {
            Value::Array(values) => Some(values),
            _ => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, DecodeError> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => Err(self.error("nested too deeply")),
            Some(b'{') => {
                let mut fields = Vec::new();
                self.list(b'}', |reader| {
                    if reader.peek() != Some(b'"') {
                        return Err(reader.error("expected the name of a field"));
                    }
                    let name = reader.string()?;
                    reader.expect(b':', "expected `:`")?;
                    fields.push((name, reader.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(Value::Object(fields))
            }
            Some(b'[') => {
                let mut values = Vec::new();
                self.list(b']', |reader| {
                    values.push(reader.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Value::Array(values))
            }
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                let words: [&[u8]; 3] = [b"null", b"true", b"false"];
                match words.iter().find(|word| rest.starts_with(word)) {
                    Some(word) => {
                        self.at += word.len();
                        Ok(if word[0] == b'n' {
                            Value::Null
                        } else {
                            Value::Other
                        })
                    }
                    None => Err(self.error("expected a value")),
                }
            }
        }
    }

    /// Reads the elements between brackets, separated by commas.
    fn list(
        &mut self,
        close: u8,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.at += 1;
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.error("expected `,` or the end of the list")),
            }
        }
    }

    fn number(&mut self) -> Result<Value<'a>, DecodeError> {
        let negative = self.skip(b'-');
        let mut whole = (!negative).then_some(0_u64);
        let first = self.at;
        self.digits(|digit| {
            whole = whole.and_then(|n| n.checked_mul(10)?.checked_add(digit));
        })?;
        if self.byte_at(first) == Some(b'0') && self.at > first + 1 {
            return Err(self.error("a number that starts with 0"));
        }
        if self.skip(b'.') {
            whole = None;
            self.digits(|_| {})?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            whole = None;
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits(|_| {})?;
        }
        Ok(whole.map_or(Value::Other, Value::Whole))
    }

    /// Reads one digit or more.
    fn digits(&mut self, mut take: impl FnMut(u64)) -> Result<(), DecodeError> {
        let first = self.at;
        while let Some(digit @ b'0'..=b'9') = self.byte_at(self.at) {
            take(u64::from(digit - b'0'));
            self.at += 1;
        }
        if self.at == first {
            return Err(self.error("expected a digit"));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.at += 1;
        let mut unescaped: Option<String> = None;
        loop {
            let start = self.at;
            while self
                .byte_at(self.at)
                .is_some_and(|b| b >= b' ' && b != b'"' && b != b'\\')
            {
                self.at += 1;
            }
            let piece = self.text.get(start..self.at).unwrap_or_default();
            match self.byte_at(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(match unescaped {
                        Some(text) => Cow::Owned(text + piece),
                        None => Cow::Borrowed(piece),
                    });
                }
                Some(b'\\') => {
                    self.at += 1;
                    let text = unescaped.get_or_insert_default();
                    text.push_str(piece);
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string without an end")),
            }
        }
    }

    /// The char after a backslash.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let kind = self.byte_at(self.at);
        self.at += 1;
        Ok(match kind {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut code = self.hex()?;
                if matches!(code, 0xd800..0xdc00) && self.skip(b'\\') && self.skip(b'u') {
                    let low = self.hex()?;
                    if matches!(low, 0xdc00..0xe000) {
                        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    }
                }
                char::from_u32(code).ok_or_else(|| self.error("half a surrogate pair"))?
            }
            _ => return Err(self.error("an escape that there is not")),
        })
    }

    fn hex(&mut self) -> Result<u32, DecodeError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte_at(self.at).map(char::from);
            let Some(digit) = digit.and_then(|digit| digit.to_digit(16)) else {
                return Err(self.error("expected four hexadecimal digits"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn expect(&mut self, byte: u8, reason: &str) -> Result<(), DecodeError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(reason))
    }

    /// Skips white space; returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte_at(self.at) {
            self.at += 1;
        }
        self.byte_at(self.at)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.byte_at(self.at) == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn byte_at(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    #[cold]
    fn error(&self, reason: &str) -> DecodeError {
        let bytes = self.text.as_bytes();
        let before = bytes.get(..self.at).unwrap_or(bytes);
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |i| i + 1);
        DecodeError::Json {
            reason: if self.at < bytes.len() {
                reason.to_owned()
            } else {
                format!("{reason}, and the text ends")
            },
            line: 1 + before.iter().filter(|&&b| b == b'\n').count(),
            column: 1 + before.len() - line_start,
        }
    }
}

/// Writes a string in its canonical form: only necessary escapes, and the two-character escape if
/// there is one.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain = 0;
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => char::from(byte),
            0x08 => 'b',
            0x09 => 't',
            0x0a => 'n',
            0x0c => 'f',
            0x0d => 'r',
            0x00..0x20 => 'u',
            _ => continue,
        };
        out.push_str(text.get(plain..at).unwrap_or_default());
        out.push('\\');
        out.push(short);
        if short == 'u' {
            out.push_str("00");
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        plain = at + 1;
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Value<'static> {
        Value::String(Cow::Owned(text.to_owned()))
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let value = Value::parse(
            " {\"a\" : [0, 18446744073709551615,\t-1, 1.5e-3, 18446744073709551616, 2E5],\r\n\
             \"b\":{}, \"c\":[] , \"\":[null,true,false], \"a\":7} ",
        )
        .unwrap();
        assert_eq!(value.get("a"), Some(&Value::Whole(7)));
        assert_eq!(value.get("b"), Some(&Value::Object(Vec::new())));
        assert_eq!(value.get("c"), Some(&Value::Array(Vec::new())));
        let Value::Object(fields) = &value else {
            panic!("an object");
        };
        let numbers = [0, u64::MAX].map(Value::Whole);
        let others = [(); 4].map(|()| Value::Other);
        let words = vec![Value::Null, Value::Other, Value::Other];
        assert_eq!(value.get(""), Some(&Value::Array(words)));
        assert_eq!(
            fields[0].1,
            Value::Array(numbers.into_iter().chain(others).collect())
        );
        assert_eq!(value.get("d"), None);
        assert_eq!(Value::Whole(1).get("d"), None);
    }

    #[test]
    fn strings_are_read_with_every_escape() {
        for (json, text) in [
            (r#""""#, ""),
            (r#""plain 字 😀""#, "plain 字 😀"),
            (r#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{c}\n\r\tz"),
            (r#""\u0000\u00e9\u5B57\ud83d\uDE00!""#, "\0é字😀!"),
        ] {
            assert_eq!(Value::parse(json).unwrap(), string(text), "{json}");
        }
    }

    #[test]
    fn every_string_that_is_written_is_read_again() {
        let all: String = (0..0x300).filter_map(char::from_u32).collect();
        let mut json = String::new();
        write_string(&mut json, &all);
        assert_eq!(Value::parse(&json).unwrap(), string(&all));
        json.clear();
        write_string(&mut json, "\u{1f}\n\u{7f}\u{2028}\"\\/");
        assert_eq!(json, "\"\\u001f\\n\u{7f}\u{2028}\\\"\\\\/\"");
    }

    /// Whether both are the same value, as far as this reader keeps it.
    fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
        match (ours, theirs) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Other, serde_json::Value::Bool(_)) => true,
            (Value::Other, serde_json::Value::Number(number)) => number.as_u64().is_none(),
            (Value::Whole(ours), serde_json::Value::Number(number)) => {
                number.as_u64() == Some(*ours)
            }
            (Value::String(ours), serde_json::Value::String(theirs)) => ours == theirs,
            (Value::Array(ours), serde_json::Value::Array(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
            }
            (Value::Object(fields), serde_json::Value::Object(theirs)) => {
                fields.iter().all(|(name, _)| theirs.contains_key(&**name))
                    && theirs
                        .iter()
                        .all(|(name, value)| ours.get(name).is_some_and(|ours| same(ours, value)))
            }
            _ => false,
        }
    }

    #[test]
    fn any_json_is_read_like_serde_json_reads_it() {
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\"",
            "\"\\u00e9\"",
            "\\ud83d",
            "\\ude00",
            "\\n",
            "u",
            "0",
            "7",
            "12",
            "-",
            ".",
            "e",
            "E+",
            "null",
            "true",
            "fals",
            " ",
            "\n",
            "字",
            "\"a\":",
            "[1,2]",
            "{\"a\":1}",
        ];
        let mut shapes = crate::causal_graph::Shapes(3);
        let mut read = 0;
        for _ in 0..200_000 {
            let len = 1 + shapes.below(7);
            let text: String = (0..len)
                .map(|_| pieces[shapes.below(pieces.len() as u32) as usize])
                .collect();
            match (Value::parse(&text), serde_json::from_str(&text)) {
                (Ok(ours), Ok(theirs)) => {
                    assert!(same(&ours, &theirs), "{text}");
                    read += 1;
                }
                (Err(_), Err(_)) => {}
                (Ok(_), Err(error)) if error.to_string().contains("out of range") => {}
                (ours, theirs) => panic!("{text}: {ours:?}, {theirs:?}"),
            }
        }
        assert!(read > 1000, "{read} were JSON");
    }

    #[test]
    fn invalid_json_is_refused_with_its_place() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            " ",
            "nul",
            "tru e",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1e",
            "1e+",
            "[",
            "[1",
            "[1,",
            "[,]",
            "[1,]",
            "[1 2]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1,}",
            "{a:1}",
            "{1:1}",
            "{\"a\" 1}",
            "]",
            "1 1",
            "\"",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\n\"",
            "\"\\ud83dx\"",
            "\"\\ud83d\\ud83d\"",
            "\"\\ude00\"",
            "\"\n\"",
            "\u{feff}1",
            &deep,
        ] {
            let error = Value::parse(text).expect_err(text);
            assert_eq!(error.code(), "bad_json", "{text}");
        }
        let error = Value::parse("[1,\n  x]").unwrap_err();
        let DecodeError::Json { line, column, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((line, column), (2, 3));
    }
}
