//! The TypeScript types that the generated declarations refer to.

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &'static str = include_str!("types.d.ts");

#[cfg(all(test, feature = "network"))]
mod tests {
    use std::collections::BTreeSet;

    use crdt_core::{
        AgentNameError, AnchorError, BranchError, DecodeError, Document, EditError, Frontier,
        HistoryError, LoadError, MergeError,
    };
    use crdt_room::RoomError;
    use signaling_protocol::{AgentId, ErrorCode};

    use crate::error::BindingError;
    use crate::net::error::NetworkError;

    /// The codes of the errors that the files of the folder `js` make by themselves.
    fn made_in_javascript() -> impl Iterator<Item = &'static str> {
        let files = [
            include_str!("js/memory.js"),
            include_str!("js/flat.js"),
            include_str!("js/feed.js"),
            include_str!("js/document.js"),
            include_str!("js/version.js"),
            include_str!("js/undo.js"),
            include_str!("js/pieces.js"),
        ];
        let calls = files
            .into_iter()
            .flat_map(|file| file.split("coded(").skip(1));
        calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next())
    }

    /// The codes of the storage, however its files write them.
    fn codes_of_storage() -> impl Iterator<Item = &'static str> {
        let files = [
            include_str!("../storage/problems.js"),
            include_str!("../storage/content.js"),
            include_str!("../storage/stored.js"),
        ];
        let words = files.into_iter().flat_map(|file| file.split('"'));
        words.filter(|word| word.len() > "storage_".len() && word.starts_with("storage_"))
    }

    /// The members of the union `CrdtErrorCode`.
    fn declared() -> BTreeSet<&'static str> {
        let union = include_str!("types.d.ts")
            .split("export type CrdtErrorCode =")
            .nth(1)
            .unwrap_or_default();
        let union = union.split(';').next().unwrap_or_default();
        union
            .lines()
            .filter_map(|line| line.trim().strip_prefix("| "))
            .map(|code| code.trim_matches('"'))
            .collect()
    }

    #[test]
    fn every_code_that_can_be_thrown_is_declared_and_no_other() {
        let agent = String::new;
        let merge = || -> Vec<MergeError> {
            vec![
                MergeError::Conflict {
                    agent: agent(),
                    seq: 0,
                },
                MergeError::Position {
                    agent: agent(),
                    seq: 0,
                    position: 0,
                    len: 0,
                },
                MergeError::Parents {
                    agent: agent(),
                    seq: 0,
                },
                MergeError::Cycle {
                    agent: agent(),
                    seq: 0,
                },
                MergeError::TooOld {
                    agent: agent(),
                    seq: 0,
                },
            ]
        };
        let decode = [
            Frontier::from_json("{").expect_err("no JSON"),
            Frontier::from_json("5").expect_err("no list"),
            DecodeError::Bytes {
                offset: 0,
                reason: "",
            },
            DecodeError::Version { found: 9, known: 1 },
        ];
        let bindings = [
            BindingError::DeadHandle { handle: agent() },
            BindingError::Busy { handle: 1 },
            BindingError::BadArgument {
                name: "",
                expected: "",
                got: agent(),
            },
            BindingError::OutOfBounds {
                name: "",
                value: 1,
                length: 0,
            },
            BindingError::from(EditError::TooLarge { what: "", limit: 0 }),
            BindingError::from(EditError::OutOfBounds {
                position: 1,
                len: 0,
            }),
            BindingError::from(Document::new("").expect_err("no name")),
            BindingError::from(AgentNameError { len: 0 }),
            BindingError::NoUndoManager,
            BindingError::OutOfMemory,
            BindingError::from(HistoryError::Unknown {
                agent: agent(),
                seq: 0,
            }),
            BindingError::from(BranchError::from(MergeError::Cycle {
                agent: agent(),
                seq: 0,
            })),
            BindingError::from(LoadError::Checksum { offset: 0 }),
            BindingError::from(LoadError::Event {
                agent: agent(),
                seq: 0,
                reason: "",
            }),
            BindingError::from(LoadError::Inconsistent { reason: "" }),
            // An unknown char is no error of the package, and no char at all a bad argument.
            BindingError::from(AnchorError::from(LoadError::Inconsistent { reason: "" })),
        ];
        let mut codes: BTreeSet<&str> = BTreeSet::new();
        codes.extend(merge().iter().map(MergeError::code));
        codes.extend(decode.iter().map(DecodeError::code));
        codes.extend(bindings.iter().map(BindingError::code));
        codes.extend(made_in_javascript());
        codes.extend(codes_of_storage());
        codes.extend(RoomError::examples().iter().map(RoomError::code));
        let no_id = AgentId::parse("").expect_err("an empty id");
        let weak_key = NetworkError::WeakKey { length: 0 };
        let network = [NetworkError::NoRandom, no_id.into(), weak_key];
        codes.extend(network.iter().map(NetworkError::code));
        codes.extend(ErrorCode::ALL.iter().map(|code| code.as_str()));
        assert_eq!(codes, declared());
    }
}
