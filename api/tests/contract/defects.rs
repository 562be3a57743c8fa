//! `docs/api-contract.md` lists what the first version got wrong, and under which name each is tested.

use std::{collections::BTreeSet, path::Path};

/// Rows of the table: the number of a defect, and the tests that hold what must be.
fn table() -> Vec<(u32, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("docs/api-contract.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, tests, _] = cells[..] else { return None };
        let names = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((number.parse().ok()?, names))
    });
    rows.collect()
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The names of all functions in the sources below a folder.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, names);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let found = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            names.extend(found.map(str::to_owned));
        }
    }
}

#[test]
fn every_defect_of_the_first_version_has_a_test_of_the_name_that_is_written() {
    let table = table();
    let numbers: Vec<u32> = table.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=44).collect::<Vec<_>>());
    let mut written = BTreeSet::new();
    for folder in ["api/src", "api/tests", "store/src", "tests"] {
        functions(&root().join(folder), &mut written);
    }
    for (number, tests) in table {
        assert!(!tests.is_empty(), "defect {number}");
        for test in tests {
            assert!(written.contains(&test), "defect {number}: nothing is called {test}");
        }
    }
}
