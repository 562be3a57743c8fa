//! The arrows between the rooms, held against every manifest.
//!
//! Here: which crate may depend on which other of ours, and what from outside it must never reach
//! (`docs/design.md`, "The arrows"). Not here: what a crate does inside; `clippy.toml` files guard
//! sockets, files and clocks in the pure ones. Dev-dependencies are free: a test may look anywhere.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

/// A room, and the rooms it may depend on. A new arrow comes with an ADR and a line here.
const ARROWS: &[(&str, &[&str])] = &[
    ("media", &[]),
    ("ingest", &["media"]),
    ("packager", &["media"]),
    ("hub", &["media", "packager"]),
    ("recorder", &["hub", "packager", "storage", "media"]),
    ("pictures", &["hub", "recorder", "packager", "media", "worker"]),
    ("delivery", &["hub", "recorder", "pictures", "packager", "media"]),
    ("storage", &[]),
    ("store", &["media"]),
    ("commons", &[]),
    ("api", &["commons", "storage", "store", "worker", "media"]),
    ("worker", &[]),
    ("media-worker", &["worker"]),
];

/// FFmpeg, as a crate: for `media-worker` alone, and so never in the server (ADR 8).
const FFMPEG: &str = "ffmpeg-next";

/// A room, and the crates from outside that it must never name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("media", &["tokio", "axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("packager", &["tokio", "axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("ingest", &["axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("hub", &["axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("recorder", &["axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("pictures", &["axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("delivery", &["sqlx", "rustls", "tokio-rustls", "redis", FFMPEG]),
    ("storage", &["axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("store", &["axum", "hyper", "object_store", "redis", FFMPEG]),
    ("commons", &["axum", "hyper", "sqlx", FFMPEG]),
    ("api", &["sqlx", "object_store", "redis", FFMPEG]),
    ("worker", &["axum", "hyper", "sqlx", "redis", FFMPEG]),
    ("media-worker", &["axum", "hyper", "sqlx", "tokio", "redis"]),
];

/// Packages of ours are called `communiconnect-<folder>`.
const PREFIX: &str = "communiconnect-";

#[test]
fn every_room_depends_only_on_what_its_arrows_allow() {
    let workspace = manifest("Cargo.toml");
    let wrong: Vec<String> = members(&workspace)
        .iter()
        .flat_map(|room| violations(room, &manifest(&format!("{room}/Cargo.toml")), &workspace))
        .collect();
    assert!(wrong.is_empty(), "arrows not in the table:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_server_links_neither_ffmpeg_nor_the_program_that_does() {
    let workspace = manifest("Cargo.toml");
    let packages = dependencies(&workspace, &workspace);
    let media_worker = format!("{PREFIX}media-worker");
    assert!(!packages.contains(FFMPEG) && !packages.contains(&media_worker), "{packages:?}");
}

#[test]
fn every_room_of_the_workspace_has_its_line_in_the_tables() {
    let workspace = manifest("Cargo.toml");
    let rooms: BTreeSet<String> = members(&workspace).into_iter().collect();
    for (table, named) in [("ARROWS", rooms_of(ARROWS)), ("FORBIDDEN", rooms_of(FORBIDDEN))] {
        assert_eq!(named, rooms, "{table} and the members of the workspace differ");
    }
}

#[test]
fn every_package_is_called_after_its_folder() {
    for room in members(&manifest("Cargo.toml")) {
        let manifest = manifest(&format!("{room}/Cargo.toml"));
        let name = manifest.get("package").and_then(|package| package.get("name"));
        assert_eq!(name.and_then(Value::as_str), Some(format!("{PREFIX}{room}").as_str()));
    }
}

#[test]
fn the_arrows_have_no_circle() {
    let mut placed = BTreeSet::new();
    while placed.len() < ARROWS.len() {
        let free = ARROWS.iter().find(|(room, below)| {
            !placed.contains(room) && below.iter().all(|room| placed.contains(room))
        });
        let (room, _) = free.expect("a circle: no room is left whose dependencies are all placed");
        placed.insert(*room);
    }
}

#[test]
fn a_forbidden_arrow_is_seen_under_any_name() {
    let workspace = parse(
        r#"
        [workspace.dependencies]
        store = { path = "store", package = "communiconnect-store" }
        async_runtime = { version = "1", package = "tokio" }
        "#,
    );
    let packager = parse(
        r#"
        [dependencies]
        store.workspace = true
        async_runtime.workspace = true
        [target.'cfg(unix)'.dependencies]
        web = { version = "0.8", package = "axum" }
        [build-dependencies]
        sqlx = "0.9"
        [dev-dependencies]
        hyper = "1"
        "#,
    );
    let seen = violations("packager", &packager, &workspace);
    assert_eq!(
        seen,
        [
            "packager must not reach axum",
            "packager must not reach sqlx",
            "packager must not reach tokio",
            "packager must not depend on store",
        ]
    );
}

/// Everything in `manifest` that the tables do not allow for `room`, one sentence each.
/// `docs/wishes.md` says of each wish by which test it is shown.
#[test]
fn every_test_that_a_wish_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wishes = std::fs::read_to_string(root.join("docs/wishes.md")).expect("the wishes");
    let rows = wishes.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let named = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    let named = named.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut missing: BTreeSet<&str> = named.filter(|name| !name.contains(' ')).collect();
    assert!(missing.len() > 30, "{missing:?}");
    let mut folders: Vec<_> = ["tests", "src"].map(|folder| root.join(folder)).into();
    folders.extend(ARROWS.iter().map(|(room, _)| root.join(room)));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = std::fs::read_to_string(path).expect("text");
                missing.retain(|name| !code.contains(&format!("fn {name}(")));
            }
        }
    }
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

fn violations(room: &str, manifest: &Table, workspace: &Table) -> Vec<String> {
    let packages = dependencies(manifest, workspace);
    let allowed = line(ARROWS, room);
    let forbidden = line(FORBIDDEN, room);
    let outside = packages
        .iter()
        .filter(|package| forbidden.contains(&package.as_str()))
        .map(|package| format!("{room} must not reach {package}"));
    let inside = packages
        .iter()
        .filter_map(|package| package.strip_prefix(PREFIX))
        .filter(|other| !allowed.contains(other))
        .map(|other| format!("{room} must not depend on {other}"));
    outside.chain(inside).collect()
}

/// The real package names behind the normal and build dependencies of a manifest, on any target.
fn dependencies(manifest: &Table, workspace: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let places = std::iter::once(manifest)
        .chain(targets.into_iter().flat_map(Table::values).filter_map(Value::as_table));
    places
        .flat_map(|place| ["dependencies", "build-dependencies"].map(|kind| place.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .flatten()
        .map(|(name, wanted)| package_name(name, wanted, workspace))
        .collect()
}

/// The package that `name` stands for: itself, or what `package = ".."` says here or at the root.
fn package_name(name: &str, wanted: &Value, workspace: &Table) -> String {
    let at_root = || workspace.get("workspace")?.get("dependencies")?.get(name)?.get("package");
    let renamed = wanted.get("package").or_else(at_root);
    renamed.and_then(Value::as_str).unwrap_or(name).to_owned()
}

fn members(workspace: &Table) -> Vec<String> {
    let members = workspace.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(Value::as_array).expect("the root lists its members");
    members.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn rooms_of(table: &[(&str, &[&str])]) -> BTreeSet<String> {
    table.iter().map(|(room, _)| (*room).to_owned()).collect()
}

fn line<'a>(table: &'a [(&str, &[&'a str])], room: &str) -> &'a [&'a str] {
    table.iter().find(|(name, _)| *name == room).map_or(&[], |(_, others)| others)
}

fn manifest(path: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{} is not readable: {error}", path.display()));
    parse(&text)
}

fn parse(text: &str) -> Table {
    text.parse().expect("a manifest is TOML")
}
