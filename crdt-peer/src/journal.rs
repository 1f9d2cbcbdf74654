//! What became part of a document since it was saved as a whole, appended to a file.
//!
//! The file begins with [`MAGIC`]; each record is its length (4 bytes, little-endian), the XXH64 of its
//! content (8 bytes) and the content. A record counts once it is on the disk as a whole: of one that a
//! crash cut short, nothing was ever told to anybody.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use xxhash_rust::xxh64::xxh64;

const MAGIC: &[u8; 8] = b"crdtjrn1";

/// Bytes in front of the content of a record.
const HEAD: usize = 12;

/// A journal, open to be appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    len: u64,
}

/// A journal as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The content of its records.
    pub(crate) records: Vec<Vec<u8>>,
    /// How many bytes they take, with everything around them.
    len: u64,
    /// Something follows them that a crash cut short.
    pub(crate) is_torn: bool,
}

/// A journal that cannot be read.
#[derive(Debug)]
pub(crate) enum JournalError {
    Io(io::Error),
    /// A record is not as it was written, and it is not the last one.
    Damaged {
        /// Where the record starts, in bytes.
        offset: u64,
    },
}

impl Journal {
    /// The bytes of a journal with one record.
    pub(crate) fn with(record: &[u8]) -> io::Result<Vec<u8>> {
        Ok([&MAGIC[..], &encode(record)?].concat())
    }

    /// Reads a journal; `None` where there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Found>, JournalError> {
        let mut bytes = Vec::new();
        match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => parse(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::Io(error)),
        }
    }

    /// Opens a journal that holds what was `found`, and cuts off what is torn.
    pub(crate) fn open(path: &Path, found: &Found) -> io::Result<Journal> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        if found.is_torn {
            file.set_len(found.len)?;
            file.sync_all()?;
        }
        file.seek(SeekFrom::Start(found.len))?;
        let len = found.len;
        Ok(Journal { file, len })
    }

    /// Opens the journal that [`Journal::with`] made, which is `len` bytes long.
    pub(crate) fn open_new(path: &Path, len: u64) -> io::Result<Journal> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Journal { file, len })
    }

    /// Appends a record; it is on the disk when this returns. After an error the journal is of no more
    /// use: what its end looks like is not known.
    pub(crate) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        let bytes = encode(record)?;
        let written = self.file.write_all(&bytes);
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // What is left of the record would be taken for one that a crash cut short.
            let _ = self.file.set_len(self.len);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// The length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

fn encode(record: &[u8]) -> io::Result<Vec<u8>> {
    let len = u32::try_from(record.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = Vec::with_capacity(HEAD + record.len());
    bytes.extend(len.to_le_bytes());
    bytes.extend(xxh64(record, 0).to_le_bytes());
    bytes.extend(record);
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Found, JournalError> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        // It is written as a whole, and never begins otherwise.
        return Err(JournalError::Damaged { offset: 0 });
    };
    let mut records = Vec::new();
    while let Some((record, after)) = split_record(rest) {
        records.push(record.to_vec());
        rest = after;
    }
    let len = (bytes.len() - rest.len()) as u64;
    if !rest.is_empty() && !is_torn(rest) {
        return Err(JournalError::Damaged { offset: len });
    }
    Ok(Found {
        records,
        len,
        is_torn: !rest.is_empty(),
    })
}

/// The first record, if it is whole, and what follows it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let (record, after) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    (xxh64(record, 0) == u64::from_le_bytes(*sum)).then_some((record, after))
}

/// Whether a record that is not whole may be one that a crash cut short: it reaches to the end of the
/// file or past it, or the file was made longer and nothing was written there yet.
fn is_torn(bytes: &[u8]) -> bool {
    let Some((len, rest)) = bytes.split_first_chunk::<4>() else {
        return true;
    };
    let content = rest.len().saturating_sub(8);
    u32::from_le_bytes(*len) as usize >= content || bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(records: &[&[u8]]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for record in records {
            bytes.extend(encode(record).unwrap());
        }
        bytes
    }

    #[test]
    fn records_are_read_back_and_more_may_follow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert!(Journal::read(&path).unwrap().is_none());
        let first = Journal::with(b"first").unwrap();
        std::fs::write(&path, &first).unwrap();
        let mut open = Journal::open_new(&path, first.len() as u64).unwrap();
        open.append(b"").unwrap();
        open.append(&[7; 3000]).unwrap();
        let found = Journal::read(&path).unwrap().unwrap();
        assert_eq!(found.records, [b"first".to_vec(), vec![], vec![7; 3000]]);
        assert_eq!(open.len(), found.len);
        let mut again = Journal::open(&path, &found).unwrap();
        again.append(b"last").unwrap();
        let found = Journal::read(&path).unwrap().unwrap();
        assert_eq!(found.records.last().unwrap(), b"last");
        assert!(!found.is_torn);
    }

    #[test]
    fn a_record_that_was_cut_short_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let whole = journal(&[b"first", b"second"]);
        let second = journal(&[b"first"]).len();
        for len in second + 1..whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            let found = Journal::read(&path).unwrap().unwrap();
            assert!(found.is_torn, "{len}");
            let mut open = Journal::open(&path, &found).unwrap();
            open.append(b"third").unwrap();
            let found = Journal::read(&path).unwrap().unwrap();
            assert_eq!(found.records, [b"first".to_vec(), b"third".to_vec()]);
        }
        let zeros = [&whole[..], &[0; 100]].concat();
        assert_eq!(parse(&zeros).unwrap().records.len(), 2);
        assert!(parse(&zeros).unwrap().is_torn);
    }

    #[test]
    fn damage_before_the_end_is_told_from_a_torn_end() {
        let whole = journal(&[b"first record", b"second record", b"third"]);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            match parse(&damaged) {
                Err(JournalError::Damaged { offset }) => assert!(offset as usize <= at),
                Err(JournalError::Io(error)) => panic!("{error}"),
                // A length that reaches past the end, or the last record, cannot be told from a crash.
                Ok(found) => assert!(found.is_torn && found.records.len() < 3, "{at}"),
            }
        }
        assert!(matches!(
            parse(b"something else"),
            Err(JournalError::Damaged { offset: 0 })
        ));
    }
}
