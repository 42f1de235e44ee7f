//! Who may import whom (src/ARCHITECTURE.md, "The rooms"): reads the `use crate::` lines and paths of
//! the source and fails on an upward or sideways edge.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest floor first. Rooms on one floor never import each other.
const FLOORS: [&[&str]; 9] = [
    &["base"],
    &["config"],
    &["store"],
    &["auth"],
    &["telephony", "media", "dialogue", "ai", "tools"],
    &["call"],
    &["campaigns", "desk", "insight", "delivery", "ops"],
    &["api", "console", "sim"],
    &["app"],
];
/// Above everything.
const ROOF: [&str; 3] = ["cli", "main", "lib"];

/// Files that must not know of tasks, sockets, files or the system's clock.
fn is_pure(path: &str) -> bool {
    // Reading a folder of catalogues is the one thing these do.
    let readers = ["dialogue/prompts.rs", "dialogue/agent.rs", "dialogue/agent/load.rs", "dialogue/states.rs"];
    // Modules that exist in test builds only.
    let tests = ["media/cost.rs", "media/answering_machine_tests.rs"];
    let call = [
        "hearing",
        "mouth",
        "turns",
        "answered",
        "answers",
        "consent",
        "echo",
        "lifecycle",
        "transfer",
        "consult",
        "bridge",
    ];
    (["media/", "dialogue/"].iter().any(|room| path.starts_with(room))
        && !readers.contains(&path)
        && !tests.contains(&path))
        || path.ends_with("/wire.rs")
        || path.ends_with("/machine.rs")
        || call.iter().any(|file| path == format!("call/{file}.rs"))
}

fn floor(room: &str) -> Option<usize> {
    if ROOF.contains(&room) {
        return Some(FLOORS.len());
    }
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The daemon's source files: path below `src/` and text.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut dirs: Vec<PathBuf> = vec![src.clone()];
    let mut found = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if below != "engines" && below != "console/ui" {
                    dirs.push(path);
                }
            } else if below.ends_with(".rs") {
                found.push((below, fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(found.len() > 30, "the walk over src/ found only {} files", found.len());
    found
}

/// The rooms named after `crate::` in a line of code.
fn rooms_named(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split('}').next().unwrap_or_default();
            named.extend(group.split(',').map(|item| first_word(item.trim())));
        } else {
            named.push(first_word(rest));
        }
    }
    named.retain(|room| !room.is_empty());
    named
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Code without comments and without the tests at the end of the file, which may use anything.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_import_only_downwards() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = first_word(&path);
        let Some(mine) = floor(&room) else {
            wrong.push(format!("{path}: the room {room:?} is not in the table"));
            continue;
        };
        for named in rooms_named(&code_of(&text)) {
            match floor(&named) {
                _ if named == room => {}
                Some(theirs) if theirs < mine => {}
                Some(_) => wrong.push(format!("{path} imports {named}: upwards or sideways")),
                None => wrong.push(format!("{path} imports {named}, which is no room")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_files_touch_no_system() {
    let forbidden =
        ["tokio::", "std::fs", "std::net", "std::thread", "Instant::now", "SystemTime", "std::env", "std::process"];
    let mut wrong = Vec::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| is_pure(path)) {
        let code = code_of(&text);
        wrong.extend(forbidden.iter().filter(|word| code.contains(*word)).map(|word| format!("{path} uses {word}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_checker_sees_every_spelling_of_an_import() {
    assert_eq!(rooms_named("use crate::base::Lang;"), ["base"]);
    assert_eq!(rooms_named("use crate::{ai, media::wav};"), ["ai", "media"]);
    assert_eq!(rooms_named("let x = crate::call::machine::Machine::new();"), ["call"]);
    assert_eq!(code_of("a // crate::app\n#[cfg(test)]\nmod tests { use crate::app; }").trim(), "a");
}
