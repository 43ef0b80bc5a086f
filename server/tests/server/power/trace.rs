//! A process's writes to the files of a database and its syncs, in order, as recorded by `strace`.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// The calls that change files or make changes durable. A test checks that none is missing: all of them together
/// produce exactly the files that the process left behind.
pub(super) const CALLS: &str = "openat,pwrite64,pwritev,pwritev2,fsync,fdatasync,sync_file_range,\
     ftruncate,fallocate,copy_file_range,unlink,unlinkat,rename,renameat,renameat2";

/// A completed call.
#[derive(Debug)]
pub(super) struct Step {
    /// When it began or, if another call came in between, ended; since 1970.
    pub(super) at: Duration,
    /// The number of steps that were complete when it began. A sync covers only earlier writes.
    pub(super) began_after: usize,
    pub(super) what: What,
}

/// Files are identified by their suffix after the name of the database.
#[derive(Debug, PartialEq)]
pub(super) enum What {
    Create { file: String },
    Write { file: String, offset: usize, bytes: Vec<u8> },
    Truncate { file: String, length: usize },
    Sync { file: String },
    Unlink { file: String },
    SyncDirectory,
}

/// The steps of a trace that concern the database `db`.
pub(super) fn steps(trace: &str, db: &Path) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut unfinished = HashMap::new();
    for line in trace.lines() {
        let (process, line) = line.split_once(' ').unwrap();
        let (at, call) = line.trim_start().split_once(' ').unwrap();
        let at = Duration::from_secs_f64(at.parse().unwrap());
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            unfinished.insert(process, (begun, steps.len()));
            continue;
        }
        let (call, began_after) =
            match call.strip_prefix("<... ").and_then(|call| call.split_once(" resumed>")) {
                Some((_, end)) => {
                    let (begun, began_after) = unfinished.remove(process).expect("it began before");
                    (format!("{begun}{end}"), began_after)
                }
                None => (call.to_owned(), steps.len()),
            };
        if let Some(what) = parse(&call, db) {
            steps.push(Step { at, began_after, what });
        }
    }
    steps
}

fn parse(call: &str, db: &Path) -> Option<What> {
    // Signals and exits are in the trace too.
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') {
        return None;
    }
    let arguments = arguments.trim_end().strip_suffix(')')?;
    // `12<path>`, if the call is about an open file.
    let open = || Some(text(arguments.split_once('<')?.1.split_once('>')?.0));
    let numbers: Vec<&str> = arguments.rsplit(", ").collect();
    let number = |place: usize| numbers[place].parse::<usize>().unwrap();
    let of_db = |path: Vec<u8>| {
        let path = String::from_utf8(path).unwrap();
        let name = path.strip_prefix(db.to_str().unwrap())?;
        // The shared memory beside the log is recreated when the database is opened after a crash, and the reserve
        // holds no data.
        (!["-shm", ".reserve"].contains(&name)).then(|| name.to_owned())
    };
    match name {
        "openat" if arguments.contains("O_CREAT") => Some(What::Create { file: of_db(quoted(arguments)?)? }),
        "openat" => None,
        "pwrite64" => {
            let file = of_db(open()?)?;
            let bytes = quoted(arguments)?;
            assert_eq!(bytes.len(), number(1), "strace cut the bytes of a write");
            assert_eq!(result.parse(), Ok(bytes.len()), "a short write");
            Some(What::Write { file, offset: number(0), bytes })
        }
        "ftruncate" => Some(What::Truncate { file: of_db(open()?)?, length: number(0) }),
        "fsync" | "fdatasync" => {
            let path = open()?;
            if path == db.parent()?.as_os_str().as_encoded_bytes() {
                return Some(What::SyncDirectory);
            }
            Some(What::Sync { file: of_db(path)? })
        }
        "fallocate" if of_db(open()?).is_none() => None,
        "unlink" => Some(What::Unlink { file: of_db(quoted(arguments)?)? }),
        other => {
            let directory = db.parent()?.to_str()?;
            assert!(!unescaped(arguments).contains(directory), "unexpected {other}: {arguments}");
            None
        }
    }
}

/// The first argument in quotes.
fn quoted(arguments: &str) -> Option<Vec<u8>> {
    Some(text(arguments.split_once('"')?.1.split_once('"')?.0))
}

fn unescaped(arguments: &str) -> String {
    String::from_utf8_lossy(&text(arguments)).into_owned()
}

/// Decodes bytes as `strace -xx` writes them: `\x2f` for hexadecimal ones, the rest unchanged.
fn text(escaped: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(escaped.len() / 4), escaped.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        if let [b'\\', b'x', high, low, others @ ..] = rest {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16).unwrap());
            rest = others;
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    bytes
}

#[test]
fn steps_are_parsed_from_strace_output() {
    let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let (db, wal) = (hex("/d/x.db"), hex("/d/x.db-wal"));
    let trace = [
        format!(r#"7  10.000001 openat(AT_FDCWD<{}>, "{db}", O_RDWR|O_CREAT, 0644) = 3<{db}>"#, hex("/d")),
        format!(r#"8  10.000002 fsync(4<{wal}> <unfinished ...>"#),
        format!(r#"7  10.000003 pwrite64(3<{db}>, "{}", 3, 4096) = 3"#, hex("a\"\n")),
        r#"8  10.000004 <... fsync resumed>) = 0"#.to_owned(),
        format!(r#"7  10.000005 ftruncate(4<{wal}>, 0) = 0"#),
        format!(r#"7  10.000006 pwrite64(9<{}>, "{}", 1, 0) = 1"#, hex("/d/x.db-shm"), hex("a")),
        format!(r#"7  10.000007 fsync(5<{}>) = 0"#, hex("/d")),
        format!(r#"7  10.000008 unlink("{}") = -1 ENOENT (No such file or directory)"#, wal),
        "7  10.000009 +++ killed by SIGKILL +++".to_owned(),
    ]
    .join("\n");
    let steps = steps(&trace, Path::new("/d/x.db"));
    let (db, wal) = (String::new(), "-wal".to_owned());
    let expected = [
        (0, What::Create { file: db.clone() }),
        (1, What::Write { file: db, offset: 4096, bytes: b"a\"\n".to_vec() }),
        (1, What::Sync { file: wal.clone() }),
        (3, What::Truncate { file: wal, length: 0 }),
        (4, What::SyncDirectory),
    ];
    let found: Vec<_> = steps.into_iter().map(|step| (step.began_after, step.what)).collect();
    assert!(found.iter().eq(expected.iter()), "{found:?}");
}
