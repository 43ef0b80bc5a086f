//! Which functions come later.

use std::collections::{BTreeMap, BTreeSet};

use walrus::ir::{self, Visitor};
use walrus::{
    ConstExpr, ElementItems, ElementKind, ExportItem, FunctionId, FunctionKind, LocalFunction, Module,
    TableId,
};

use super::LATER_FUNCTIONS;

/// What is to be split, by the indices that functions have in the module.
pub(super) struct Plan {
    later: BTreeSet<usize>,
    /// Those of them that the first module calls or exports.
    pub(super) entered: BTreeSet<usize>,
    /// Those of them that stand in the table, and where.
    pub(super) slots: BTreeMap<usize, u64>,
}

impl Plan {
    pub(super) fn of(module: &Module, table: TableId) -> walrus::Result<Self> {
        let in_table = in_table(module, table)?;
        let exported: BTreeSet<_> = module
            .exports
            .iter()
            .filter_map(|export| match export.item {
                ExportItem::Function(id) => Some(id.index()),
                _ => None,
            })
            .collect();
        let callers = callers(module);
        let mut later: BTreeSet<_> = module
            .funcs
            .iter()
            .filter(|function| matches!(function.kind, FunctionKind::Local(_)))
            .filter(|function| function.name.as_deref().is_some_and(is_named))
            .map(|function| function.id().index())
            .collect();
        // What only they call comes with them.
        loop {
            let more: Vec<_> = module
                .funcs
                .iter_local()
                .map(|(id, _)| id.index())
                .filter(|id| !later.contains(id) && !exported.contains(id) && !in_table.contains_key(id))
                .filter(|id| callers.get(id).is_some_and(|callers| callers.is_subset(&later)))
                .collect();
            if more.is_empty() {
                break;
            }
            later.extend(more);
        }
        let entered = later
            .iter()
            .filter(|id| {
                exported.contains(id) || callers.get(id).is_some_and(|callers| !callers.is_subset(&later))
            })
            .copied()
            .collect();
        let slots = in_table.into_iter().filter(|(id, _)| later.contains(id)).collect();
        Ok(Self { later, entered, slots })
    }

    pub(super) fn is_later(&self, id: FunctionId) -> bool {
        self.later.contains(&id.index())
    }
}

/// The lines of [`LATER_FUNCTIONS`] that are no comments.
fn patterns() -> impl Iterator<Item = &'static str> {
    LATER_FUNCTIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a function comes later by its name, as wasm-bindgen writes it: `kez_app[3f..]::pages::join::..`.
fn is_named(name: &str) -> bool {
    let name = without_hashes(name);
    patterns().any(|part| name.contains(part))
}

fn without_hashes(name: &str) -> String {
    let mut pieces = name.split('[');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((hash, rest)) if hash.len() > 8 && hash.bytes().all(|c| c.is_ascii_hexdigit()) => {
                plain += rest
            }
            _ => plain.extend(["[", piece]),
        }
    }
    plain
}

/// The functions in a table, each with a slot that it has.
fn in_table(module: &Module, of: TableId) -> walrus::Result<BTreeMap<usize, u64>> {
    let mut slots = BTreeMap::new();
    for element in module.elements.iter() {
        let (ElementKind::Active { table, offset }, ElementItems::Functions(functions)) =
            (&element.kind, &element.items)
        else {
            return Err(anyhow::Error::msg("a segment of another kind fills a table"));
        };
        let ConstExpr::Value(ir::Value::I32(offset)) = offset else {
            return Err(anyhow::Error::msg("a segment has no constant place in its table"));
        };
        if *table == of {
            let start = u64::try_from(*offset)?;
            slots.extend(functions.iter().map(|id| id.index()).zip(start..));
        }
    }
    Ok(slots)
}

/// Who calls each function.
fn callers(module: &Module) -> BTreeMap<usize, BTreeSet<usize>> {
    struct Calls<'a> {
        by: usize,
        callers: &'a mut BTreeMap<usize, BTreeSet<usize>>,
    }
    impl<'a> Visitor<'a> for Calls<'_> {
        fn visit_function_id(&mut self, id: &FunctionId) {
            self.callers.entry(id.index()).or_default().insert(self.by);
        }
    }
    let mut callers = BTreeMap::new();
    for (id, function) in module.funcs.iter_local() {
        let calls = &mut Calls { by: id.index(), callers: &mut callers };
        ir::dfs_in_order(calls, function, LocalFunction::entry_block(function));
    }
    callers
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `entry` is exported and calls `join`, which calls `helper`; `shared` is called by both; `shown` stands in the table.
    fn module() -> Module {
        let mut module = Module::default();
        let mut function = |name: &str, calls: &[FunctionId]| {
            let mut builder = walrus::FunctionBuilder::new(&mut module.types, &[], &[]);
            builder.name(name.to_owned());
            for callee in calls {
                builder.func_body().call(*callee);
            }
            builder.finish(vec![], &mut module.funcs)
        };
        let shared = function("core[0123456789abcdef]::shared", &[]);
        let helper = function("core[0123456789abcdef]::helper", &[]);
        let join = function(
            "<kez_app[0123456789abcdef]::pages::settings::leaving::Leaving>::typed",
            &[shared, helper],
        );
        let shown = function("<u8 as core[0123456789abcdef]::fmt::Debug>::fmt", &[]);
        let entry = function("entry", &[join, shared]);
        module.exports.add("entry", entry);
        let table = module.tables.add_local(false, 8, Some(8), walrus::RefType::FUNCREF);
        let offset = ConstExpr::Value(ir::Value::I32(5));
        module.elements.add(ElementKind::Active { table, offset }, ElementItems::Functions(vec![shown]));
        module
    }

    #[test]
    fn what_only_later_functions_call_comes_later_too() {
        let module = module();
        let table = module.tables.main_function_table().unwrap().unwrap();
        let plan = Plan::of(&module, table).unwrap();
        let later: Vec<_> = module
            .funcs
            .iter()
            .filter(|function| plan.is_later(function.id()))
            .map(|function| function.name.as_deref().unwrap().rsplit("::").next().unwrap())
            .collect();
        assert_eq!(later, ["helper", "typed", "fmt"]);
        assert_eq!(plan.entered.len(), 1, "only `typed` is called from outside");
        assert_eq!(plan.slots.values().collect::<Vec<_>>(), [&5], "`fmt` is found through the table");
    }

    #[test]
    fn names_count_without_the_hashes_of_crates() {
        assert!(is_named("<kez_app[3f0a8c21d4e5b677]::pages::settings::leaving::Leaving>::typed"));
        assert!(!is_named("<kez_client[3f0a8c21d4e5b677]::inbox::Inbox>::take"));
        assert!(!is_named("<[u8] as kez_client[3f0a8c21d4e5b677]::record::Write>::write"));
    }

    #[test]
    fn the_list_is_sorted_and_says_nothing_twice() {
        let lines: Vec<_> = patterns().collect();
        assert!(lines.windows(2).all(|pair| pair[0] < pair[1]), "each line once, in order");
    }
}
