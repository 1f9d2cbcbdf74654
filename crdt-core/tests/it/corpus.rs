//! Every seed of the fuzz targets, and every input that was ever a find, is run again.

#[path = "../../fuzz/drivers.rs"]
mod drivers;

use std::path::Path;

#[test]
fn seeds_and_finds_hold() {
    type Driver = fn(&[u8]);
    let drivers: [(&str, Driver); 3] = [
        ("decode", drivers::decode),
        ("merge", drivers::merge),
        ("edits", drivers::edits),
    ];
    for (name, run) in drivers {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
            .join(name);
        let mut files = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            println!("{}", path.display());
            run(&std::fs::read(path).unwrap());
            files += 1;
        }
        assert!(files > 0, "no seeds for {name}");
    }
}
