//! Modules import downward: no large cycle of files that import each other.
//!
//! An edge leads from a file to the file that defines what it names. A path through a re-export leads to the file
//! behind it, and the re-export itself is no edge. Code for tests does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{ItemUse, UseTree};

use super::files::files;
use crate::failure::Failure;
use crate::project::Project;

/// For each crate the largest number of files in a cycle, by the folder that holds the cycle. These numbers only go
/// down.
const LIMITS: [(&str, &[(&str, usize)]); 2] = [("server/src", &[("", 6)]), ("client/src", &[("", 2)])];

/// The path of a module from the root of its crate.
type Module = Vec<String>;

/// A file, and the paths that it names.
struct Source {
    name: String,
    module: Module,
    /// The names that `use` brings into scope, with their paths.
    names: BTreeMap<(Module, String), Module>,
    /// The paths, each with the module where it stands.
    paths: Vec<(Module, Module)>,
}

/// Checks every folder.
///
/// # Errors
/// When a cycle has too many files. It is printed with its edges.
pub(crate) fn check(project: &Project) -> Result<(), Failure> {
    let mut broken = Vec::new();
    for (folder, limits) in LIMITS {
        let sources = sources(&project.root().join(folder))?;
        let graph = edges(&sources);
        let cycles = cycles(&graph);
        let largest = cycles.iter().map(BTreeSet::len).max().unwrap_or(0);
        println!("{folder}: {} files, {} cycles, the largest of {largest}", graph.len(), cycles.len());
        for cycle in cycles.iter().filter(|cycle| !is_within(limits, cycle)) {
            broken.push(format!("{} files of {folder} import each other", cycle.len()));
            println!("{}", drawn(cycle, &graph));
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::Broken(broken.join("; "))) }
}

/// Whether a cycle is no larger than the first folder that holds all of it permits.
fn is_within(limits: &[(&str, usize)], cycle: &BTreeSet<&str>) -> bool {
    let limit = limits.iter().find(|(folder, _)| cycle.iter().all(|file| file.starts_with(folder)));
    limit.is_some_and(|(_, most)| cycle.len() <= *most)
}

/// The sources of the library in a folder.
fn sources(folder: &Path) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for file in files(folder)? {
        let name = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
        let parts: Module = name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_rust = file.extension().is_some_and(|ending| ending == "rs");
        if !is_rust || parts.first().is_some_and(|first| first == "bin" || first == "main") {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(Failure::file(&file))?;
        let source = Source::parse(&parts, &text);
        sources.push(source.map_err(|error| Failure::Unexpected(format!("{}: {error}", file.display())))?);
    }
    Ok(sources)
}

impl Source {
    fn parse(parts: &[String], text: &str) -> syn::Result<Self> {
        let module = match parts {
            [folders @ .., last] if last == "mod" || last == "lib" => folders.to_vec(),
            parts => parts.to_vec(),
        };
        let mut source =
            Self { name: parts.join("/"), module: module.clone(), names: BTreeMap::new(), paths: Vec::new() };
        source.read(&module, text.parse()?)?;
        Ok(source)
    }

    /// Reads the tokens of a module, or of a part of it.
    fn read(&mut self, module: &[String], tokens: TokenStream) -> syn::Result<()> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            match token {
                TokenTree::Group(group) if is_cfg_test(group) => at = end_of_item(&tokens, at),
                // `pub(in path)` names a parent.
                TokenTree::Group(_) if at > 0 && is_word(&tokens[at - 1], "pub") => {}
                TokenTree::Group(group) => {
                    let inner: Module = module.iter().cloned().chain(inline_module(&tokens[..at])).collect();
                    self.read(&inner, group.stream())?;
                }
                TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let end = (at..tokens.len()).find(|at| is_punct(tokens.get(*at), ';')).unwrap_or(at);
                    // In a macro, a path may begin with `$crate`.
                    let item = tokens[at..=end].iter().filter(|token| !is_punct(Some(token), '$'));
                    let item: ItemUse = syn::parse2(item.cloned().collect())?;
                    self.import(module, &item.tree, is_public(&tokens[..at]));
                    at = end;
                }
                TokenTree::Ident(_) => {
                    let (path, end) = path_from(&tokens, at);
                    if path.len() > 1 {
                        self.paths.push((module.to_vec(), path));
                    }
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    fn import(&mut self, module: &[String], tree: &UseTree, is_public: bool) {
        let mut named = Vec::new();
        flatten(tree, &mut Vec::new(), &mut named);
        for (name, path) in named {
            if !is_public {
                self.paths.push((module.to_vec(), path.clone()));
            }
            self.names.insert((module.to_vec(), name), path);
        }
    }
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Whether this is the attribute `[cfg(test)]`.
fn is_cfg_test(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket && group.to_string().replace(' ', "") == "[cfg(test)]"
}

/// Whether `pub` or `pub(...)` stands directly before an item.
fn is_public(before: &[TokenTree]) -> bool {
    match before {
        [.., word, TokenTree::Group(_)] => is_word(word, "pub"),
        [.., word] => is_word(word, "pub"),
        [] => false,
    }
}

/// The last token of the item after an attribute: its semicolon or its braces.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let ends = |at: &usize| {
        is_punct(tokens.get(*at), ';')
            || matches!(&tokens[*at], TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    };
    (at..tokens.len()).find(ends).unwrap_or(tokens.len())
}

/// The name in `mod name`, which stands before the braces of an inline module.
fn inline_module(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., word, name] if is_word(word, "mod") => Some(name.to_string()),
        _ => None,
    }
}

/// The path that begins with this word, and its last token.
fn path_from(tokens: &[TokenTree], at: usize) -> (Module, usize) {
    let (mut path, mut end) = (vec![tokens[at].to_string()], at);
    while is_punct(tokens.get(end + 1), ':') && is_punct(tokens.get(end + 2), ':') {
        let Some(TokenTree::Ident(next)) = tokens.get(end + 3) else { break };
        path.push(next.to_string());
        end += 3;
    }
    (path, end)
}

/// The names of a `use`, with their paths.
fn flatten(tree: &UseTree, before: &mut Module, named: &mut Vec<(String, Module)>) {
    let with = |last: String| before.iter().cloned().chain([last]).collect::<Module>();
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, named);
            before.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            named.extend(before.last().map(|last| (last.clone(), before.clone())));
        }
        UseTree::Name(name) => named.push((name.ident.to_string(), with(name.ident.to_string()))),
        UseTree::Rename(rename) => named.push((rename.rename.to_string(), with(rename.ident.to_string()))),
        UseTree::Glob(_) => named.push(("*".to_owned(), before.clone())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, named)),
    }
}

/// For each file the files that it imports, by their names.
fn edges(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let files: BTreeMap<&[String], &Source> =
        sources.iter().map(|source| (source.module.as_slice(), source)).collect();
    let of = |source: &Source| {
        let paths = source.paths.iter();
        let found = paths.filter_map(|(module, path)| home(&files, module, path, 0));
        found.filter(|file| file.name != source.name).map(|file| file.name.as_str()).collect::<BTreeSet<_>>()
    };
    sources.iter().map(|source| (source.name.as_str(), of(source))).collect()
}

/// The most re-exports that a path may pass.
const DEEPEST: usize = 8;

/// The file that defines what a path in a module names; `None` for another crate's.
fn home<'a>(
    files: &BTreeMap<&[String], &'a Source>,
    module: &[String],
    path: &[String],
    depth: usize,
) -> Option<&'a Source> {
    let mut at: Module = module.to_vec();
    let mut rest = path;
    while let [first, after @ ..] = rest {
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            _ => break,
        }
        rest = after;
    }
    let is_relative = rest.len() == path.len();
    let mut file = (0..=at.len()).rev().find_map(|length| files.get(&at[..length]).copied())?;
    for (place, name) in rest.iter().enumerate() {
        at.push(name.clone());
        if let Some(child) = files.get(at.as_slice()) {
            file = child;
            continue;
        }
        at.pop();
        if is_relative && place == 0 {
            return None;
        }
        let behind = file.names.get(&(at.clone(), name.clone())).filter(|_| depth < DEEPEST);
        return match behind {
            Some(behind) => {
                let whole: Module = behind.iter().chain(&rest[place + 1..]).cloned().collect();
                home(files, &at, &whole, depth + 1).or(Some(file))
            }
            None => Some(file),
        };
    }
    Some(file)
}

/// The sets of files that reach each other.
fn cycles<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<BTreeSet<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (*file, reachable(graph, file))).collect();
    let cycle = |file: &&'a str| {
        let mutual = reached[*file].iter().filter(|other| reached[**other].contains(*file));
        mutual.copied().collect::<BTreeSet<_>>()
    };
    graph.keys().map(cycle).filter(|cycle| cycle.len() > 1).collect()
}

fn reachable<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        open.extend(graph.get(file).into_iter().flatten().filter(|next| reached.insert(**next)));
    }
    reached
}

/// Each file of a cycle with its edges inside.
fn drawn(cycle: &BTreeSet<&str>, graph: &BTreeMap<&str, BTreeSet<&str>>) -> String {
    let line = |file: &&str| {
        let inside: Vec<_> = graph[*file].intersection(cycle).copied().collect();
        format!("  {file} -> {}", inside.join(", "))
    };
    cycle.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn cycles_of(sources: &[(&str, &str)]) -> Vec<String> {
        let parse = |(name, text): &(&str, &str)| {
            let parts: Module = name.split('/').map(str::to_owned).collect();
            Source::parse(&parts, text).unwrap()
        };
        let sources: Vec<_> = sources.iter().map(parse).collect();
        let graph = edges(&sources);
        cycles(&graph).iter().map(|cycle| drawn(cycle, &graph)).collect()
    }

    #[test]
    fn mutually_reachable_files_form_a_cycle() {
        let found = cycles_of(&[
            ("lib", "mod a; mod b; mod c; pub use a::A;"),
            ("a", "use crate::b::{self, B as Other};\npub struct A;"),
            ("b/mod", "pub mod d; fn f() { super::c::g() }"),
            ("b/d", "use crate::A;"),
            ("c", "use crate::b::d::D;"),
        ]);
        assert_eq!(found, ["  a -> b/mod\n  b/d -> a\n  b/mod -> c\n  c -> b/d"]);
    }

    #[test]
    fn the_limit_of_the_folder_with_the_cycle_applies() {
        let (limits, cycle) = ([("store/", 3), ("", 2)], |files: [&'static str; 3]| files.into());
        assert!(is_within(&limits, &cycle(["store/a", "store/b", "store/c"])));
        assert!(!is_within(&limits, &cycle(["store/a", "store/b", "c"])));
    }

    #[test]
    fn re_exports_and_tests_are_not_edges() {
        let found = cycles_of(&[
            ("lib", "mod a;"),
            (
                "a/mod",
                "mod b; pub use b::B; pub struct A;\n#[cfg(test)]\nmod tests { use super::b::B; fn f() {} }",
            ),
            ("a/b", "use super::A; pub struct B;"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn paths_in_bodies_and_macros_are_edges() {
        for body in [
            "b::f()",
            "select! { _ = b::f() => {} }",
            "crate::a::b::f()",
            "mod c { fn g() { super::b::f() } }",
        ] {
            let found = cycles_of(&[
                ("lib", "mod a;"),
                ("a/mod", &format!("mod b; pub struct A; fn f() {{ {body} }}")),
                ("a/b", "fn f() -> super::A { super::A }"),
            ]);
            assert_eq!(found, ["  a/b -> a/mod\n  a/mod -> a/b"], "{body}");
        }
    }
}
