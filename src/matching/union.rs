//! Connected components, by union-find with path halving and union by size: near-linear time.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A growing graph of which only the components are kept.
#[derive(Debug)]
pub struct Components<N> {
    position: HashMap<N, usize>,
    nodes: Vec<N>,
    parent: Vec<usize>,
    size: Vec<usize>,
}

impl<N> Default for Components<N> {
    fn default() -> Self {
        Self { position: HashMap::new(), nodes: Vec::new(), parent: Vec::new(), size: Vec::new() }
    }
}

impl<N: Copy + Eq + Hash> Components<N> {
    /// Makes sure that a node is there, and gives its position.
    pub fn add(&mut self, node: N) -> usize {
        if let Some(position) = self.position.get(&node) {
            return *position;
        }
        let position = self.nodes.len();
        self.position.insert(node, position);
        self.nodes.push(node);
        self.parent.push(position);
        self.size.push(1);
        position
    }

    /// Draws an edge; nodes that are not there yet are added.
    pub fn join(&mut self, left: N, right: N) {
        let (left, right) = (self.add(left), self.add(right));
        let (left, right) = (self.root(left), self.root(right));
        if left == right {
            return;
        }
        let size = |at: usize, of: &Self| of.size.get(at).copied().unwrap_or(1);
        let (small, large) = if size(left, self) < size(right, self) { (left, right) } else { (right, left) };
        let joined = size(small, self) + size(large, self);
        if let Some(parent) = self.parent.get_mut(small) {
            *parent = large;
        }
        if let Some(size) = self.size.get_mut(large) {
            *size = joined;
        }
    }

    /// The components, each in the order its nodes were added.
    pub fn groups(&mut self) -> Vec<Vec<N>> {
        let mut groups: BTreeMap<usize, Vec<N>> = BTreeMap::new();
        for position in 0..self.nodes.len() {
            let root = self.root(position);
            groups.entry(root).or_default().extend(self.nodes.get(position).copied());
        }
        groups.into_values().collect()
    }

    fn root(&mut self, mut at: usize) -> usize {
        loop {
            let Some(&parent) = self.parent.get(at) else { return at };
            if parent == at {
                return at;
            }
            let grandparent = self.parent.get(parent).copied().unwrap_or(parent);
            if let Some(slot) = self.parent.get_mut(at) {
                *slot = grandparent;
            }
            at = grandparent;
        }
    }
}
