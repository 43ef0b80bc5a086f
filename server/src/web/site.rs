//! The files of the built site, as a table from URL path to contents.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use axum::body::Bytes;
use axum::http::HeaderValue;

use kez_app::{Assets, Module, Operator};

use super::document::{Document, IMMUTABLE, REVALIDATE};
use super::encoding::Encoding;
use super::mime::media_type;

/// The site: read once, or anew for every request while somebody works on it.
#[derive(Clone)]
pub(super) enum Site {
    Loaded(Arc<Files>),
    Watched(PathBuf),
}

/// What stands under which path (`/pkg/kez-chat.js`).
pub(super) type Files = HashMap<String, File>;

/// A file, and how long it may be kept.
#[derive(Clone)]
pub(super) struct File {
    pub(super) document: Document,
    pub(super) cache: HeaderValue,
}

const CSS: &str = "/pkg/kez-chat.css";
/// The one module with both entry points, as `cargo leptos` builds it: JavaScript and WASM.
const WHOLE: [&str; 2] = ["/pkg/kez-chat.js", "/pkg/kez-chat.wasm"];
/// The page's module, as `cargo xtask build` builds it.
const PAGE: [&str; 2] = ["/pkg/kez-chat-page.js", "/pkg/kez-chat-page.wasm"];
/// The worker's module beside it.
const WORKER: [&str; 2] = ["/pkg/kez-chat-worker.js", "/pkg/kez-chat-worker.wasm"];

impl Site {
    /// Reads all files now. Those of the app are also served under names that hold their hash, for ever.
    pub(super) fn loaded(dir: &Path) -> io::Result<Self> {
        let mut files = read(dir)?;
        for path in [&[CSS], &WHOLE[..], &PAGE, &WORKER].concat() {
            if let Some(file) = files.get(path) {
                let file = File { cache: IMMUTABLE, ..file.clone() };
                files.insert(hashed(path, &file.document), file);
            }
        }
        Ok(Self::Loaded(Arc::new(files)))
    }

    /// Reads the files whenever one is asked for.
    pub(super) fn watched(dir: &Path) -> io::Result<Self> {
        Ok(Self::Watched(dir.canonicalize()?))
    }

    /// The file under a path of a URL.
    pub(super) fn file(&self, path: &str) -> Option<File> {
        match self {
            Self::Loaded(files) => files.get(path).cloned(),
            Self::Watched(dir) => read(dir).ok()?.remove(path),
        }
    }

    /// Where pages find the app. `None` when it is not there.
    pub(super) fn assets(&self, operator: Operator) -> Option<Assets> {
        let css = self.url(CSS)?;
        // `cargo xtask build` removes the one module, so it is the newer build where it is there.
        if let Some(whole) = self.module(WHOLE) {
            return Some(Assets { css, page: whole.clone(), worker: whole, operator });
        }
        Some(Assets { css, page: self.module(PAGE)?, worker: self.module(WORKER)?, operator })
    }

    fn module(&self, [js, wasm]: [&str; 2]) -> Option<Module> {
        Some(Module { js: self.url(js)?, wasm: self.url(wasm)? })
    }

    fn url(&self, path: &str) -> Option<String> {
        match self {
            Self::Loaded(files) => files.get(path).map(|file| hashed(path, &file.document)),
            // It may still be under construction; it is looked for when it is asked for.
            Self::Watched(_) => Some(path.to_owned()),
        }
    }
}

/// `/pkg/kez-chat.js` becomes `/pkg/kez-chat.<hash>.js`.
fn hashed(path: &str, document: &Document) -> String {
    match path.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{}.{extension}", document.hash()),
        None => format!("{path}.{}", document.hash()),
    }
}

fn read(dir: &Path) -> io::Result<Files> {
    let mut contents = HashMap::new();
    read_into(dir, "", &mut contents)?;
    let files =
        contents.iter().filter(|(path, _)| !is_precompressed(path, &contents)).map(|(path, plain)| {
            let compressed = Encoding::ALL.into_iter().filter_map(|encoding| {
                Some((encoding, contents.get(&format!("{path}.{}", encoding.extension()))?.clone()))
            });
            let document = Document::new(media_type(path), plain.clone(), compressed.collect());
            (path.clone(), File { document, cache: REVALIDATE })
        });
    Ok(files.collect())
}

fn read_into(dir: &Path, prefix: &str, contents: &mut HashMap<String, Bytes>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A name that is not UTF-8 cannot be asked for.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}/{name}");
        // Symbolic links are not followed: they could lead out of the directory.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            read_into(&entry.path(), &path, contents)?;
        } else if kind.is_file() {
            contents.insert(path, fs::read(entry.path())?.into());
        }
    }
    Ok(())
}

/// Whether a file is only the compressed form of another one.
fn is_precompressed(path: &str, contents: &HashMap<String, Bytes>) -> bool {
    Encoding::ALL.into_iter().any(|encoding| {
        path.strip_suffix(encoding.extension())
            .and_then(|path| path.strip_suffix('.'))
            .is_some_and(|plain| contents.contains_key(plain))
    })
}
