//! Which neurons a cell has, and what they see.

use ncpu_neural_alu::CellId;

/// A network to be trained.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The inputs that each hidden neuron sees.
    pub(super) hidden: Vec<Vec<usize>>,
    /// All hidden neurons have the same weights.
    pub(super) shared: bool,
    /// Outputs see the inputs, not only the hidden neurons.
    pub(super) shortcuts: bool,
    /// An output sees the outputs before it.
    pub(super) cascade: bool,
}

impl Plan {
    /// In words, for the model card.
    pub(super) fn describe(&self) -> String {
        let hidden = match (self.hidden.len(), self.shared) {
            (0, _) => "no hidden neuron".to_owned(),
            (1, _) => "1 hidden neuron".to_owned(),
            (count, false) => format!("{count} hidden neurons"),
            (count, true) => format!(
                "{count} hidden neurons of {} inputs each with shared weights",
                self.hidden[0].len()
            ),
        };
        let seen = match (self.shortcuts, self.hidden.is_empty()) {
            (_, true) => "the inputs",
            (true, false) => "the inputs and the hidden neurons",
            (false, false) => "the hidden neurons",
        };
        let before = if self.cascade { " and the outputs before them" } else { "" };
        format!("threshold neurons: {hidden}; outputs see {seen}{before}")
    }
}

/// Plans for a cell, the smallest first.
pub(super) fn plans(cell: CellId) -> Vec<Plan> {
    let inputs = cell.inputs();
    if cell == CellId::Multiply {
        // One neuron, trained once and used for all pairs of bits; outputs are the product's bits
        // from the highest, each of which sees those before it.
        let pairs = (0..16).map(|pair| vec![pair / 4, 4 + pair % 4]).collect();
        return vec![Plan { hidden: pairs, shared: true, shortcuts: false, cascade: true }];
    }
    let cascade = cell.outputs() > 1;
    let plan = |hidden, cascade| Plan {
        hidden: vec![(0..inputs).collect(); hidden],
        shared: false,
        shortcuts: true,
        cascade,
    };
    let mut plans = vec![plan(0, false)];
    if cascade {
        plans.push(plan(0, true));
    }
    plans.extend((1..=3).map(|hidden| plan(hidden, cascade)));
    plans
}
