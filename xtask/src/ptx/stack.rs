//! The stack that a module's functions take, from its text.

use anyhow::{Context, Result, ensure};
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{HashMap, HashSet};

/// Bytes that a function takes beside its variables, for registers that it saves: the most that the
/// driver's compiler was seen to add.
const SAVED: usize = 280;

/// A function: its name, and the bytes of its variables that lie in memory.
struct Function<'t> {
    name: &'t str,
    bytes: usize,
}

/// The most bytes that calls from any function on take, where each function that recurses is counted
/// once, and the names on that way.
pub(super) fn deepest(text: &str) -> Result<(usize, Vec<&str>)> {
    let graph = calls(text)?;
    // Functions that call each other come together, and after all that they call.
    let mut deepest: HashMap<NodeIndex, (usize, Option<NodeIndex>)> = HashMap::new();
    for group in tarjan_scc(&graph) {
        let members: HashSet<NodeIndex> = group.iter().copied().collect();
        let own: usize = group.iter().map(|&member| graph[member].bytes + SAVED).sum();
        let below = group
            .iter()
            .flat_map(|&member| graph.neighbors(member))
            .filter(|callee| !members.contains(callee))
            .map(|callee| (deepest[&callee].0, callee))
            .max();
        let total = own + below.map_or(0, |(bytes, _)| bytes);
        for member in group {
            deepest.insert(member, (total, below.map(|(_, callee)| callee)));
        }
    }
    let (&first, &(bytes, _)) =
        deepest.iter().max_by_key(|(node, (bytes, _))| (*bytes, **node)).context("no function")?;
    let way = std::iter::successors(Some(first), |node| deepest[node].1);
    Ok((bytes, way.map(|node| graph[node].name).collect()))
}

/// Which function calls which.
fn calls(text: &str) -> Result<DiGraph<Function<'_>, ()>> {
    ensure!(!text.contains(".callprototype"), "calls through pointers: their stack is unknown");
    let mut graph = DiGraph::new();
    let mut nodes = HashMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = declared(line) {
            let node =
                nodes.entry(name).or_insert_with(|| graph.add_node(Function { name, bytes: 0 }));
            current = Some(*node);
        } else if let (Some(size), Some(node)) = (depot(line), current) {
            graph[node].bytes = size.parse().with_context(|| line.to_owned())?;
        } else if let (Some(callee), Some(caller)) = (called(line), current) {
            let callee = *nodes
                .entry(callee)
                .or_insert_with(|| graph.add_node(Function { name: callee, bytes: 0 }));
            graph.update_edge(caller, callee, ());
        }
    }
    Ok(graph)
}

/// The name in a line that begins a function or declares it.
fn declared(line: &str) -> Option<&str> {
    let words = line.strip_prefix(".visible ").unwrap_or(line);
    let words = words.strip_prefix(".entry").or_else(|| words.strip_prefix(".func"))?.trim_start();
    // What it returns comes before its name.
    let words = match words.strip_prefix('(') {
        Some(returned) => returned.split_once(')')?.1.trim_start(),
        None => words,
    };
    words.split(['(', ' ', ';']).next()
}

/// The size in the line that reserves a function's variables.
fn depot(line: &str) -> Option<&str> {
    let (_, size) = line.split_once("__local_depot")?;
    line.trim_start().starts_with(".local").then_some(())?;
    Some(size.split_once('[')?.1.split_once(']')?.0)
}

/// The function that a line calls.
fn called(line: &str) -> Option<&str> {
    let words = line.trim_start().strip_prefix("call.uni")?.trim_start();
    let words = match words.strip_prefix('(') {
        Some(returned) => returned.split_once("),")?.1.trim_start(),
        None => words,
    };
    words.split(',').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_way_counts_a_recursion_once() {
        let text = "\
            .func  (.param .b32 func_retval0) leaf_1\n;\n\
            .visible .entry ncpu_serve(\n{\n\
            \t.local .align 8 .b8 \t__local_depot0[100];\n\
            \tcall.uni (retval0), again_2, (param0);\n\
            \tcall.uni leaf_1, (param0);\n}\n\
            .func again_2(\n{\n\
            \t.local .align 16 .b8 \t__local_depot1[16];\n\
            \tcall.uni again_2, (param0);\n\tcall.uni (retval0), leaf_1, (param0);\n}\n\
            .func  (.param .b32 func_retval0) leaf_1(\n{\n\
            \t.local .align 8 .b8 \t__local_depot2[4096];\n\tmov.b64 \t%SPL, __local_depot2;\n}\n";
        let (bytes, way) = deepest(text).unwrap();
        assert_eq!(way, ["ncpu_serve", "again_2", "leaf_1"]);
        assert_eq!(bytes, 100 + 16 + 4096 + 3 * SAVED);
        assert!(deepest("\tprototype_1 : .callprototype ()_ ();\n").is_err());
    }
}
