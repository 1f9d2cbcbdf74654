//! Documents as files: they come back, open without their history, and what is damaged is refused.

use crdt_core::{Document, LoadLimits, Preset, SaveOptions};
use fastrand::Rng;

use crate::histories::{for_each_seed, random_edit, random_replicas, sync};

const PRESETS: [Preset; 3] = [Preset::Fast, Preset::Balanced, Preset::Small];

fn all_options() -> impl Iterator<Item = SaveOptions> {
    PRESETS.into_iter().flat_map(|preset| {
        [false, true].map(|without_text| SaveOptions {
            preset,
            without_text,
        })
    })
}

fn random_options(rng: &mut Rng) -> SaveOptions {
    SaveOptions {
        preset: PRESETS[rng.usize(0..3)],
        without_text: rng.u8(0..4) == 0,
    }
}

fn assert_same(a: &Document, b: &Document) {
    assert_eq!(a.frontier(), b.frontier());
    assert_eq!(a.summary(), b.summary());
    assert_eq!(a.event_count(), b.event_count());
    assert_eq!(a.text(), b.text());
    assert_eq!(a.operations_json(), b.operations_json());
}

#[test]
fn files_come_back() {
    for_each_seed(150, |seed| {
        let mut rng = Rng::with_seed(seed);
        let steps = rng.usize(0..40);
        let doc = random_replicas(&mut rng, steps).swap_remove(0);
        for options in all_options() {
            let bytes = doc.save(&options).unwrap();
            let loaded = Document::load("z", &bytes).unwrap();
            assert_same(&loaded, &doc);
            assert_eq!(loaded.check_history(), Ok(()));
            // The same history makes the same file, whether it was packed in between or not.
            assert_eq!(loaded.save(&options).unwrap(), bytes);
            let verified = Document::load_verified("z", &bytes, &LoadLimits::default()).unwrap();
            assert_same(&verified, &doc);
        }
    });
}

/// Replicas that are saved and loaded while they edit and merge, at any moment, hold the same as
/// those that are not.
#[test]
fn documents_live_on_after_loading() {
    for_each_seed(200, |seed| {
        let mut rng = Rng::with_seed(seed);
        let mut docs = random_replicas(&mut rng, 15);
        docs.truncate(3);
        let mut plain = docs.clone();
        for _ in 0..25 {
            let i = rng.usize(0..docs.len());
            match rng.u8(0..4) {
                0 => {
                    let bytes = docs[i].save(&random_options(&mut rng)).unwrap();
                    docs[i] = Document::load(docs[i].agent(), &bytes).unwrap();
                }
                1 => {
                    let from = rng.usize(0..docs.len());
                    let (a, b) = (docs[from].clone(), plain[from].clone());
                    let mut same = rng.clone();
                    sync(&mut rng, &a, &mut docs[i]);
                    sync(&mut same, &b, &mut plain[i]);
                }
                _ => {
                    let mut same = rng.clone();
                    random_edit(&mut rng, &mut docs[i]);
                    random_edit(&mut same, &mut plain[i]);
                    // The heads answer these, as long as nothing else is asked.
                    assert_eq!(docs[i].summary(), plain[i].summary());
                    assert_eq!(docs[i].frontier(), plain[i].frontier());
                    for id in plain[i].frontier().ids() {
                        assert!(docs[i].contains(id));
                    }
                }
            }
        }
        for (a, b) in docs.iter().zip(&plain) {
            assert_same(a, b);
        }
    });
}

#[test]
fn an_empty_document_and_a_new_agent() {
    for options in all_options() {
        let bytes = Document::new("a").unwrap().save(&options).unwrap();
        let mut doc = Document::load("b", &bytes).unwrap();
        assert!(doc.is_empty() && doc.event_count() == 0 && doc.frontier().is_empty());
        doc.insert(0, "x🦀y").unwrap();
        doc.delete(1, 1).unwrap();
        let copy = Document::load("c", &doc.save(&options).unwrap()).unwrap();
        assert_same(&copy, &doc);
        assert_eq!(copy.text(), "xy");
    }
}
