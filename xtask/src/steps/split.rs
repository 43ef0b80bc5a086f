//! Splits the module in two: what the first visit of /messages runs, and what can come later.
//!
//! A function that comes later is named in `split/later.txt`. Its place in the first module is taken by a *stub*, which has the
//! second module brought ([`BRING`]), and then calls the function through the table, where the second module puts it
//! when it is instantiated. Memory, table, globals and all data stay in the first module; the second one imports what it
//! uses of them. So a function that is wrongly put off costs a delay, or a reload where there is no network, and never a wrong
//! result; and nothing else of the program knows of the split.
//!
//! `public/later.js` is the other half of this.

use std::collections::BTreeMap;
use std::path::Path;

use walrus::ir::Value;
use walrus::{
    ConstExpr, ElementItems, ElementKind, ExportItem, FunctionBuilder, FunctionId, FunctionKind, GlobalKind,
    ImportKind, ImportedFunction, LocalFunction, Module, TableId, passes,
};

mod plan;

use plan::Plan;

/// Parts of the names of functions that come later, a line each.
pub(crate) const LATER_FUNCTIONS: &str = include_str!("split/later.txt");

/// The exported function that returns once the second module is there.
const BRING: &str = "bring_later";
/// Under this name the second module imports from the first one.
const SHARED: &str = "first";

/// What a shared item is called: wasm-bindgen and esbuild give no name that begins with a digit.
fn shared(index: usize, kind: char) -> String {
    format!("{index}{kind}")
}

/// Short names for what the module and its script call in each other.
pub(crate) type Names = BTreeMap<String, String>;

/// Reads the whole module, and writes the two that it is made of, which call their script by `names`.
///
/// # Errors
/// When it cannot be read or written, or is not what wasm-bindgen makes of ours.
pub(crate) fn split(whole: &Path, names: &Names, first: &Path, later: &Path) -> walrus::Result<()> {
    let (mut module, mut rest) = (Module::from_file(whole)?, Module::from_file(whole)?);
    rename(&mut module, names);
    let table = module.tables.main_function_table()?.ok_or_else(|| missing("function table"))?;
    let plan = Plan::of(&module, table)?;
    let slots = stand_in(&mut module, &plan, table)?;
    let (size, most) = (module.tables.get(table).initial, module.tables.get(table).maximum);
    detach(&mut rest, &plan, &slots, (size, most))?;
    passes::gc::run(&mut rest);
    share(&mut module, &rest)?;
    passes::gc::run(&mut module);
    module.emit_wasm_file(first)?;
    rest.emit_wasm_file(later)
}

/// Calls everything as the shortened script does.
fn rename(module: &mut Module, names: &Names) {
    for import in module.imports.iter_mut() {
        if let Some(short) = names.get(&import.name) {
            import.name.clone_from(short);
        }
    }
    for export in module.exports.iter_mut() {
        if let Some(short) = names.get(&export.name) {
            export.name.clone_from(short);
        }
    }
}

/// Puts stubs in the places of the functions that come later. Gives the slots of the table where these are found.
fn stand_in(module: &mut Module, plan: &Plan, table: TableId) -> walrus::Result<BTreeMap<usize, u64>> {
    let bring = module.exports.get_func(BRING)?;
    let mut slots = plan.slots.clone();
    for &index in &plan.entered {
        slots.entry(index).or_insert_with(|| {
            let table = module.tables.get_mut(table);
            table.initial += 1;
            table.maximum = table.maximum.map(|most| most.max(table.initial));
            table.initial - 1
        });
    }
    let later: Vec<_> =
        module.funcs.iter().map(walrus::Function::id).filter(|id| plan.is_later(*id)).collect();
    for id in later {
        if let Some(slot) = slots.get(&id.index()) {
            let stub = stub(module, id, bring, table, i32::try_from(*slot)?);
            module.funcs.get_mut(id).kind = FunctionKind::Local(stub);
        }
    }
    Ok(slots)
}

fn stub(module: &mut Module, of: FunctionId, bring: FunctionId, table: TableId, slot: i32) -> LocalFunction {
    let ty = module.funcs.get(of).ty();
    let (params, results) = module.types.params_results(ty);
    let (params, results) = (params.to_vec(), results.to_vec());
    let mut builder = FunctionBuilder::new(&mut module.types, &params, &results);
    let args: Vec<_> = params.iter().map(|ty| module.locals.add(*ty)).collect();
    let mut body = builder.func_body();
    body.call(bring);
    for arg in &args {
        body.local_get(*arg);
    }
    body.i32_const(slot).call_indirect(ty, table);
    builder.local_func(args)
}

/// Leaves of the module only the functions that come later: everything else it imports.
fn detach(
    rest: &mut Module,
    plan: &Plan,
    slots: &BTreeMap<usize, u64>,
    (size, most): (u64, Option<u64>),
) -> walrus::Result<()> {
    let table = rest.tables.main_function_table()?.ok_or_else(|| missing("function table"))?;
    (rest.tables.get_mut(table).initial, rest.tables.get_mut(table).maximum) = (size, most);
    for id in rest.exports.iter().map(walrus::Export::id).collect::<Vec<_>>() {
        rest.exports.delete(id);
    }
    for id in rest.elements.iter().map(walrus::Element::id).collect::<Vec<_>>() {
        rest.elements.delete(id);
    }
    for id in rest.data.iter().map(walrus::Data::id).collect::<Vec<_>>() {
        rest.data.delete(id);
    }
    rest.start = None;
    for id in rest.imports.iter().map(walrus::Import::id).collect::<Vec<_>>() {
        let import = rest.imports.get_mut(id);
        if let ImportKind::Function(function) = import.kind {
            (import.module, import.name) = (SHARED.to_owned(), shared(function.index(), 'f'));
        }
    }
    for id in rest.funcs.iter().map(walrus::Function::id).collect::<Vec<_>>() {
        let function = rest.funcs.get(id);
        if matches!(function.kind, FunctionKind::Local(_)) && !plan.is_later(id) {
            let ty = function.ty();
            let import = rest.imports.add(SHARED, &shared(id.index(), 'f'), id);
            rest.funcs.get_mut(id).kind = FunctionKind::Import(ImportedFunction { import, ty });
        }
    }
    for id in rest.globals.iter().map(walrus::Global::id).collect::<Vec<_>>() {
        let import = rest.imports.add(SHARED, &shared(id.index(), 'g'), id);
        rest.globals.get_mut(id).kind = GlobalKind::Import(import);
    }
    for id in rest.memories.iter().map(walrus::Memory::id).collect::<Vec<_>>() {
        let import = rest.imports.add(SHARED, &shared(id.index(), 'm'), id);
        let memory = rest.memories.get_mut(id);
        memory.import = Some(import);
        memory.data_segments.clear();
    }
    for id in rest.tables.iter().map(walrus::Table::id).collect::<Vec<_>>() {
        let import = rest.imports.add(SHARED, &shared(id.index(), 't'), id);
        let table = rest.tables.get_mut(id);
        table.import = Some(import);
        table.elem_segments.clear();
    }
    let later: Vec<_> = rest.funcs.iter().map(walrus::Function::id).filter(|id| plan.is_later(*id)).collect();
    for id in later {
        if let Some(slot) = slots.get(&id.index()) {
            let offset = ConstExpr::Value(Value::I32(i32::try_from(*slot)?));
            let segment =
                rest.elements.add(ElementKind::Active { table, offset }, ElementItems::Functions(vec![id]));
            rest.tables.get_mut(table).elem_segments.insert(segment);
        }
    }
    Ok(())
}

/// Exports from the first module what the second one imports.
fn share(module: &mut Module, rest: &Module) -> walrus::Result<()> {
    for import in rest.imports.iter().filter(|import| import.module == SHARED) {
        let index = import.name[..import.name.len() - 1].parse::<usize>()?;
        let item: Option<ExportItem> = match import.kind {
            ImportKind::Function(_) => {
                module.funcs.iter().find(|item| item.id().index() == index).map(|item| item.id().into())
            }
            ImportKind::Global(_) => {
                module.globals.iter().find(|item| item.id().index() == index).map(|item| item.id().into())
            }
            ImportKind::Memory(_) => {
                module.memories.iter().find(|item| item.id().index() == index).map(|item| item.id().into())
            }
            ImportKind::Table(_) => {
                module.tables.iter().find(|item| item.id().index() == index).map(|item| item.id().into())
            }
            ImportKind::Tag(_) => None,
        };
        module.exports.add(&import.name, item.ok_or_else(|| missing(&import.name))?);
    }
    Ok(())
}

fn missing(what: &str) -> anyhow::Error {
    anyhow::Error::msg(format!("the module has no {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn both_parts_are_valid_and_the_second_imports_what_the_first_exports() {
        let folder = Scratch::new("split");
        let [whole, first, later] = ["whole", "first", "later"].map(|name| folder.path().join(name));
        let mut module = Module::default();
        module.memories.add_local(false, false, 1, None, None);
        let table = module.tables.add_local(false, 1, Some(1), walrus::RefType::FUNCREF);
        let mut function = |name: &str, calls: &[FunctionId]| {
            let mut builder = FunctionBuilder::new(&mut module.types, &[], &[]);
            builder.name(name.to_owned());
            for callee in calls {
                builder.func_body().call(*callee);
            }
            builder.finish(vec![], &mut module.funcs)
        };
        let bring = function(BRING, &[]);
        let used = function("used", &[]);
        let join = function("kez_app::pages::settings::leaving::typed", &[used]);
        let entry = function("entry", &[join, used]);
        module.exports.add(BRING, bring);
        module.exports.add("entry", entry);
        module.emit_wasm_file(&whole).unwrap();

        split(&whole, &Names::from([("entry".to_owned(), "a".to_owned())]), &first, &later).unwrap();

        let (first, later) = (Module::from_file(&first).unwrap(), Module::from_file(&later).unwrap());
        assert!(first.exports.iter().any(|export| export.name == "a"), "by its short name");
        assert!(first.tables.iter().any(|table| table.initial == 2), "a slot for `typed`: {table:?}");
        assert_eq!(later.funcs.iter_local().count(), 1, "`typed` alone");
        for import in later.imports.iter() {
            assert_eq!(import.module, SHARED);
            assert!(first.exports.iter().any(|export| export.name == import.name), "{}", import.name);
        }
    }
}
