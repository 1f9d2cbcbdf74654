//! Random documents, edited with `yrs`: what is merged here builds the same documents there.

use signaling_yjs::{EMPTY_UPDATE, StateVector, UpdateError, merge, scan};
use yrs::types::ToJson;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    Any, Array, ClientID, Doc, GetString, Map, OffsetKind, Options, ReadTxn, Text, Transact,
    Update, WriteTxn, XmlElementPrelim, XmlFragment,
};

/// Clients that edit at the same time, and every update that was ever made.
struct Play {
    random: fastrand::Rng,
    clients: Vec<Doc>,
    updates: Vec<Vec<u8>>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let clients = (0..3).map(|_| document(random.u64(1..1 << 32)));
        let clients = clients.collect();
        Self {
            random,
            clients,
            updates: Vec::new(),
        }
    }

    fn edit(&mut self) {
        let random = &mut self.random;
        let doc = &self.clients[random.usize(..self.clients.len())];
        let before = doc.transact().state_vector();
        {
            let mut transaction = doc.transact_mut();
            let text = transaction.get_or_insert_text("text");
            let len = text.len(&transaction);
            match random.u8(..10) {
                0..5 => {
                    let word = ["a", "bc", "é€", "xyzw"][random.usize(..4)];
                    // Typing goes on where it was; other insertions are anywhere.
                    let at = if random.bool() {
                        len
                    } else {
                        random.u32(..=len)
                    };
                    text.insert(&mut transaction, at, word);
                }
                5 | 6 if len > 0 => {
                    let at = random.u32(..len);
                    let count = random.u32(1..=(len - at).min(4));
                    text.remove_range(&mut transaction, at, count);
                }
                7 => {
                    let map = transaction.get_or_insert_map("map");
                    let key = ["one", "two"][random.usize(..2)];
                    map.insert(&mut transaction, key, random.i32(..));
                }
                8 => {
                    let array = transaction.get_or_insert_array("array");
                    let value = Any::from_json("{\"a\":[1,null,\"x\",0.5]}").unwrap();
                    array.push_back(&mut transaction, value);
                    if random.bool() {
                        array.remove_range(&mut transaction, 0, 1);
                    }
                }
                _ => {
                    let xml = transaction.get_or_insert_xml_fragment("xml");
                    let attrs = [("bold".into(), true.into())].into();
                    xml.push_back(&mut transaction, XmlElementPrelim::empty("p"));
                    if len > 1 {
                        text.format(&mut transaction, 0, 1, attrs);
                    }
                }
            }
        }
        let update = doc.transact().encode_diff_v1(&before);
        self.updates.push(update);
    }

    /// Brings one client up to date with another.
    fn exchange(&mut self) {
        let from = self.random.usize(..self.clients.len());
        let to = self.random.usize(..self.clients.len());
        if from != to {
            let state = self.clients[to].transact().state_vector();
            let update = self.clients[from].transact().encode_diff_v1(&state);
            apply(&self.clients[to], &update);
        }
    }
}

/// A document that counts as Yjs does.
fn document(client: u64) -> Doc {
    Doc::with_options(Options {
        offset_kind: OffsetKind::Utf16,
        ..Options::with_client_id(ClientID::new(client))
    })
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = Update::decode_v1(update).unwrap();
    doc.transact_mut().apply_update(update).unwrap();
}

/// Everything that a document shows.
fn content(doc: &Doc) -> String {
    let mut transaction = doc.transact_mut();
    let text = transaction.get_or_insert_text("text");
    let map = transaction.get_or_insert_map("map");
    let array = transaction.get_or_insert_array("array");
    let xml = transaction.get_or_insert_xml_fragment("xml");
    let mut fields: Vec<String> = map
        .iter(&transaction)
        .map(|(key, value)| format!("{key}={}", value.to_json(&transaction)))
        .collect();
    fields.sort();
    format!(
        "{:?} {fields:?} {} {}",
        text.get_string(&transaction),
        array.to_json(&transaction),
        xml.get_string(&transaction),
    )
}

fn built(updates: &[&[u8]]) -> Doc {
    let doc = document(1);
    for update in updates {
        apply(&doc, update);
    }
    doc
}

fn slices(updates: &[Vec<u8>]) -> Vec<&[u8]> {
    updates.iter().map(Vec::as_slice).collect()
}

#[test]
fn merged_updates_build_the_same_document() {
    let seed = fastrand::u64(..);
    println!("SEED={seed}");
    for round in 0..60 {
        let mut play = Play::new(seed.wrapping_add(round));
        for _ in 0..play.random.usize(1..120) {
            play.edit();
            if play.random.u8(..6) == 0 {
                play.exchange();
            }
        }
        let mut shuffled = play.updates.clone();
        play.random.shuffle(&mut shuffled);
        // In the order of their making, in which each builds on what is there: yrs now and then leaves
        // updates waiting that came before what they build on, after that has come too.
        let everything = built(&slices(&play.updates));
        let whole = merge(slices(&shuffled), &StateVector::default()).unwrap();
        let doc = built(&[&whole]);
        assert_eq!(content(&doc), content(&everything), "round {round}");
        let state = scan(&whole).unwrap().structs.state_vector();
        let expected = everything.transact().state_vector();
        for (client, clock) in expected.iter() {
            assert_eq!(state.get(client.get()), u64::from(*clock));
        }
        assert_eq!(StateVector::decode(&state.encode()), Ok(state.clone()));
        let again = merge([whole.as_slice()], &StateVector::default()).unwrap();
        assert_eq!(again, whole, "a merge of one is itself");

        // Some of it, in parts that overlap and leave gaps.
        let some = play.random.usize(..=shuffled.len());
        let (left, right) = shuffled.split_at(some);
        let left_merged = merge(slices(left), &StateVector::default()).unwrap();
        let right_merged = merge(slices(right), &StateVector::default()).unwrap();
        let both = [&right_merged[..], &left_merged[..], &right_merged[..]];
        let merged = merge(both, &StateVector::default()).unwrap();
        assert_eq!(content(&built(&[&merged])), content(&everything));
        let summary = scan(&left_merged).unwrap();
        assert!(scan(&whole).unwrap().contains(&summary));

        // What each client lacks, from the whole; its own state vector cuts structs anywhere.
        for client in &play.clients {
            let state = client.transact().state_vector().encode_v1();
            let state = StateVector::decode(&state).unwrap();
            let missing = merge([&whole[..]], &state).unwrap();
            apply(client, &missing);
            assert_eq!(content(client), content(&everything));
            let nothing = merge(
                [&missing[..]],
                &scan(&whole).unwrap().structs.state_vector(),
            );
            assert!(scan(&nothing.unwrap()).unwrap().structs.is_empty());
        }
    }
}

#[test]
fn a_state_vector_may_cut_anything_that_has_parts() {
    // An array's JSON and values, a deleted run, and a text with a pair of surrogates.
    let contents: [&[u8]; 4] = [
        &[
            2, 3, 1, b'1', 9, b'u', b'n', b'd', b'e', b'f', b'i', b'n', b'e', b'd', 4, b'n', b'u',
            b'l', b'l',
        ],
        &[8, 3, 126, 117, 1, 120, 119, 1, b'x'],
        &[1, 3],
        &[4, 5, b'a', 0xF0, 0x9F, 0x98, 0x80],
    ];
    for content in contents {
        let mut update = vec![1, 1, 9, 0, content[0], 1, 1, b't'];
        update.extend_from_slice(&content[1..]);
        update.push(0);
        let whole = scan(&update).unwrap();
        for clock in 0..=3 {
            let mut state = StateVector::default();
            state.set(9, clock);
            let rest = merge([&update[..]], &state).unwrap();
            let mut summary = scan(&rest).unwrap();
            assert!(whole.contains(&summary));
            assert_eq!(summary.structs.is_empty(), clock == 3);
            let head: Vec<&[u8]> = vec![&update];
            summary.extend(&scan(&merge(head, &StateVector::default()).unwrap()).unwrap());
            assert_eq!(summary, whole);
        }
    }
}

#[test]
fn typing_becomes_one_struct() {
    let doc = document(5);
    let text = doc.get_or_insert_text("text");
    let mut updates = Vec::new();
    for word in ["to", " ", "be", " or", " not"] {
        let before = doc.transact().state_vector();
        let end = text.len(&doc.transact());
        text.insert(&mut doc.transact_mut(), end, word);
        updates.push(doc.transact().encode_diff_v1(&before));
    }
    let merged = merge(slices(&updates), &StateVector::default()).unwrap();
    assert_eq!(merged[..2], [1, 1], "one client, one struct");
    assert_eq!(content(&built(&[&merged])), content(&doc));
    assert!(merged.windows(12).any(|window| window == b"to be or not"));
}

#[test]
fn hostile_bytes_are_refused_and_cost_what_they_are() {
    let huge = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F];
    let claims = |before: &[u8]| [before, &huge[..]].concat();
    let too_short = [
        vec![],
        vec![1],
        claims(&[1, 1, 7, 0, 4, 1, 1, b't']),
        claims(&[1, 1, 7, 0, 8, 1, 1, b't']),
        claims(&[1, 1, 7, 0, 2, 1, 1, b't']),
        claims(&[1, 1, 7, 0, 3, 1, 1, b't']),
        claims(&[0]),
        claims(&[0, 1, 7]),
        claims(&[1]),
    ];
    for bytes in too_short {
        assert_eq!(scan(&bytes), Err(UpdateError::TooShort), "{bytes:?}");
        let merged = merge([&bytes[..]], &StateVector::default());
        assert_eq!(merged, Err(UpdateError::TooShort), "{bytes:?}");
    }
    for (bytes, error) in [
        (vec![0, 0, 0], UpdateError::TooLong(1)),
        (
            vec![1, 1, 7, 0, 4, 1, 1, b't', 1, 0xFF, 0],
            UpdateError::NotUtf8,
        ),
        (
            vec![1, 1, 7, 0, 5, 1, 1, b't', 1, b'{', 0],
            UpdateError::NotJson,
        ),
        (
            vec![1, 1, 7, 0, 11, 1, 1, b't', 0],
            UpdateError::UnknownContent(11),
        ),
        (
            vec![1, 1, 7, 0, 7, 1, 1, b't', 9, 0],
            UpdateError::UnknownType(9),
        ),
        (
            vec![1, 1, 7, 0, 8, 1, 1, b't', 1, 9, 0],
            UpdateError::UnknownValue(9),
        ),
        (claims(&[1, 1, 7, 1, 0]), UpdateError::NumberTooLarge),
    ] {
        assert_eq!(scan(&bytes), Err(error), "{bytes:?}");
    }
    assert!(matches!(scan(&huge), Err(UpdateError::TooManyClients(_))));
    assert!(StateVector::decode(&huge).is_err());
    assert!(scan(EMPTY_UPDATE).unwrap().is_empty());
}

/// What is good stays good in every form that a broken copy of it still has.
#[test]
fn broken_updates_never_do_more_than_fail() {
    let seed = fastrand::u64(..);
    println!("SEED={seed}");
    let mut play = Play::new(seed);
    for _ in 0..60 {
        play.edit();
        play.exchange();
    }
    let good = merge(slices(&play.updates), &StateVector::default()).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at.max(1)),
                _ => drop(bytes.remove(at)),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        let mut state = StateVector::default();
        for doc in &play.clients {
            state.set(doc.client_id().get(), random.u64(..30));
        }
        match scan(&bytes) {
            Ok(summary) => {
                let merged = merge([&bytes[..]], &state).unwrap();
                assert!(summary.contains(&scan(&merged).unwrap()));
            }
            Err(_) => assert!(merge([&bytes[..]], &state).is_err()),
        }
    }
}
