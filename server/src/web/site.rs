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

/// The site: read once, or again for every request during development.
#[derive(Clone)]
pub(super) enum Site {
    Loaded(Arc<Files>),
    Watched(PathBuf),
}

/// Files by URL path (`/pkg/kez-chat.js`).
pub(super) type Files = HashMap<String, File>;

/// A file, and how long it may be cached.
#[derive(Clone)]
pub(super) struct File {
    pub(super) document: Document,
    pub(super) cache: HeaderValue,
}

const CSS: &str = "/pkg/kez-chat.css";
/// The single module with both entry points, as built by `cargo leptos`: JavaScript and WASM.
const WHOLE: [&str; 2] = ["/pkg/kez-chat.js", "/pkg/kez-chat.wasm"];
/// The page's module, as built by `cargo xtask build`.
const PAGE: [&str; 2] = ["/pkg/kez-chat-page.js", "/pkg/kez-chat-page.wasm"];
/// The worker's module from the same build.
const WORKER: [&str; 2] = ["/pkg/kez-chat-worker.js", "/pkg/kez-chat-worker.wasm"];
/// The module of the MLS engine from the same build.
const ENGINE: &str = "/pkg/kez-chat-engine.wasm";

impl Site {
    /// Reads all files now. The app's files are also served under names that contain their hash, which clients may
    /// cache for ever.
    pub(super) fn loaded(dir: &Path) -> io::Result<Self> {
        let mut files = read(dir)?;
        for path in [&[CSS, ENGINE], &WHOLE[..], &PAGE, &WORKER].concat() {
            if let Some(file) = files.get(path) {
                let file = File { cache: IMMUTABLE, ..file.clone() };
                files.insert(hashed(path, &file.document), file);
            }
        }
        Ok(Self::Loaded(Arc::new(files)))
    }

    /// Reads each file when it is requested.
    pub(super) fn watched(dir: &Path) -> io::Result<Self> {
        Ok(Self::Watched(dir.canonicalize()?))
    }

    /// The file at a URL path.
    pub(super) fn file(&self, path: &str) -> Option<File> {
        match self {
            Self::Loaded(files) => files.get(path).cloned(),
            Self::Watched(dir) => read(dir).ok()?.remove(path),
        }
    }

    /// The URLs of the app for the pages. `None` when the app is missing.
    pub(super) fn assets(&self, operator: Operator) -> Option<Assets> {
        let (css, engine) = (self.url(CSS)?, self.url(ENGINE));
        // `cargo xtask build` removes the single module, so if it exists, it is the newer build.
        if let Some(whole) = self.module(WHOLE) {
            return Some(Assets { css, page: whole.clone(), worker: whole, engine, operator });
        }
        Some(Assets { css, page: self.module(PAGE)?, worker: self.module(WORKER)?, engine, operator })
    }

    fn module(&self, [js, wasm]: [&str; 2]) -> Option<Module> {
        Some(Module { js: self.url(js)?, wasm: self.url(wasm)? })
    }

    fn url(&self, path: &str) -> Option<String> {
        match self {
            Self::Loaded(files) => files.get(path).map(|file| hashed(path, &file.document)),
            // The file may still be under construction, so it is only looked up when it is requested.
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
        // A name that is not UTF-8 cannot be requested.
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

/// Whether a file is only the compressed form of another file.
fn is_precompressed(path: &str, contents: &HashMap<String, Bytes>) -> bool {
    Encoding::ALL.into_iter().any(|encoding| {
        path.strip_suffix(encoding.extension())
            .and_then(|path| path.strip_suffix('.'))
            .is_some_and(|plain| contents.contains_key(plain))
    })
}
