//! Rules of the house that a machine can check: direction of imports, `//!`, sizes, paths that ARCHITECTURE.md names.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;

const FILE_BYTES_MAX: u64 = 256 * 1024;

fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file that git would track, below the repository.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repo()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if [".git", "target", "hydrant-data", "__pycache__"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the tree is not where it was expected");
    found
}

pub(crate) fn rust_files() -> Vec<(String, String)> {
    let root = repo();
    let sources = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources
        .map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<String> =
        rust_files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<String> = rust_files()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines}"))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn no_file_is_too_large_but_captures() {
    let large: Vec<String> = files()
        .into_iter()
        .filter(|path| fs::metadata(path).unwrap().len() > FILE_BYTES_MAX)
        .map(|path| path.strip_prefix(repo()).unwrap().display().to_string())
        .filter(|path| !path.contains("/golden/"))
        .collect();
    assert_eq!(large, Vec::<String>::new());
}

/// What a folder of `crates/hydrant/src` must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("source/", &["stream", "deliver", "index", "api", "page", "door", "cli", "config"]),
    ("stream/", &["source", "deliver", "index", "api", "page", "door", "cli", "config"]),
    ("index/", &["source", "stream", "deliver", "api", "page", "door", "cli", "config"]),
    ("deliver/", &["source", "api", "page", "door", "cli", "config"]),
    ("api/", &["source", "stream", "deliver", "page", "cli", "config"]),
    ("page/", &["source", "stream", "deliver", "api", "cli", "config"]),
    ("config/", &["source", "stream", "deliver", "index", "api", "page", "door", "cli"]),
];

#[test]
fn stages_import_in_one_direction_only() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        let Some(inside) = path.strip_prefix("crates/hydrant/src/") else { continue };
        for (folder, forbidden) in FORBIDDEN.iter().filter(|(folder, _)| inside.starts_with(folder)) {
            for other in *forbidden {
                if text.contains(&format!("crate::{other}::")) || text.contains(&format!("use crate::{other};")) {
                    wrong.push(format!("{path} in {folder} names crate::{other}"));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_transformation_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in rust_files() {
        if !path.starts_with("crates/hydrant-transform/src/") || path.ends_with("tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for name in [
            "std::net",
            "std::fs",
            "std::thread",
            "std::time",
            "tokio",
            "Timestamp::now",
            "Zoned::now",
            "TimeZone::system",
        ] {
            if code.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(name)) {
                wrong.push(format!("{path} names {name}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_paths_that_architecture_names_exist() {
    let text = fs::read_to_string(repo().join("ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.contains('/') && !word.contains([' ', '<', '*', ':', '{']))
        .collect();
    assert!(named.len() > 15, "ARCHITECTURE.md names hardly any path: {named:?}");
    let missing: Vec<&str> = named
        .into_iter()
        .filter(|path| {
            !["", "crates/hydrant/src", "crates/hydrant-transform/src"]
                .iter()
                .any(|base| repo().join(base).join(path).exists())
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimple", "mented!(")];
    let found: Vec<String> = rust_files()
        .into_iter()
        .flat_map(|(path, text)| {
            let lines = text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark)));
            lines.map(|(number, _)| format!("{path}:{}", number + 1)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

/// Levels of headings, and the commands without what is said behind them, in order.
fn outline(readme: &str) -> (Vec<usize>, Vec<String>) {
    let (mut levels, mut commands, mut fence) = (Vec::new(), Vec::new(), None);
    for line in readme.lines() {
        match (line.strip_prefix("```"), fence) {
            (Some(language), None) => fence = Some(language),
            (Some(_), Some(_)) => fence = None,
            (None, Some("sh")) => commands.push(line.split(" #").next().unwrap_or_default().trim_end().to_owned()),
            (None, None) if line.starts_with('#') => levels.push(line.bytes().take_while(|byte| *byte == b'#').count()),
            (None, _) => {}
        }
    }
    (levels, commands)
}

#[test]
fn both_readmes_have_the_same_headings_and_commands() {
    let read = |name: &str| outline(&fs::read_to_string(repo().join(name)).unwrap());
    let (levels, commands) = read("README.md");
    assert!(levels.len() >= 3 && commands.len() >= 10, "{levels:?} {commands:?}");
    assert_eq!(read("README.zh-CN.md"), (levels, commands));
}
