//! Imports files into a directory and prints what it took: `import_once DIR FILES…`.

use std::path::{Path, PathBuf};

use tidings_engine::{Engine, EngineOptions, ImportOptions, MessageQuery};

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = args.next().expect("a directory");
    let files: Vec<PathBuf> = args.map(PathBuf::from).collect();
    let engine = Engine::open(Path::new(&dir), EngineOptions::default()).unwrap();
    let options = ImportOptions {
        timezone: Some("UTC".into()),
        now_ns: 1_795_500_000_000_000_000,
        ..ImportOptions::default()
    };
    let done = engine
        .import(&files, &options, &mut |_| {})
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{done:#?}");
    let query = MessageQuery {
        limit: 3,
        now_ns: options.now_ns,
        ..MessageQuery::default()
    };
    for message in engine.messages(&query).unwrap() {
        println!("{message:?}");
    }
}
