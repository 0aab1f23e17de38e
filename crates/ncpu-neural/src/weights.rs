//! Weight files: networks as safetensors, with a model card and the certificate of their proof.
//!
//! A folder holds a file for each family of cells. A cell has two tensors of 16-bit integers:
//! `NAME.weights`, a row for each neuron with a weight for each input and each neuron before it (zeros
//! elsewhere), and `NAME.biases`, in halves. The metadata has one entry, `card`, a JSON object: one,
//! because the format does not keep the order of several, and files have to be the same each time.

use crate::digest::digest;
use crate::verify::{Refuted, check_cells};
use ncpu_neural_alu::network::NetworkError;
use ncpu_neural_alu::schedule::ScheduleError;
use ncpu_neural_alu::{CellId, Cells, Network};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

/// The form of files that this version reads.
pub const FORMAT: &str = "ncpu-alu-1";
/// The metadata entry with the model card.
const CARD: &str = "card";

/// A file of weights: its name, and the cells in it.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name without extension.
    pub name: &'static str,
    /// Its cells.
    pub cells: &'static [CellId],
}

/// All files.
pub const FAMILIES: &[Family] = &[
    Family {
        name: "logic",
        cells: &[
            CellId::False,
            CellId::Nor,
            CellId::NotAAndB,
            CellId::NotA,
            CellId::AAndNotB,
            CellId::NotB,
            CellId::Xor,
            CellId::Nand,
            CellId::And,
            CellId::Xnor,
            CellId::B,
            CellId::NotAOrB,
            CellId::A,
            CellId::AOrNotB,
            CellId::Or,
            CellId::True,
        ],
    },
    Family { name: "adder", cells: &[CellId::HalfAdder, CellId::Combine, CellId::FullAdder] },
    Family { name: "compare", cells: &[CellId::Compare] },
    Family { name: "count", cells: &[CellId::Priority, CellId::Select] },
    Family { name: "shift", cells: &[CellId::Attend, CellId::Mix] },
    Family { name: "multiply", cells: &[CellId::Multiply] },
];

impl Family {
    /// Its file in a folder of weights.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.safetensors", self.name))
    }
}

/// How a cell was trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Training {
    /// Neurons, and which of the earlier ones and of the inputs they see.
    pub architecture: String,
    /// What it was trained on.
    pub data: String,
    /// Seed of the initial weights.
    pub seed: u64,
    /// Which of several attempts, each with initial weights of its own, this is.
    pub attempt: u32,
    /// The optimiser and its constants.
    pub optimiser: String,
    /// Steps of gradient descent.
    pub steps: u32,
    /// Weights that are not zero, and biases.
    pub parameters: usize,
    /// Smallest distance of a neuron's sum from zero over all inputs, in halves of the unit of weights.
    pub margin: u32,
}

/// What was proved of the networks of all files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Digest of all networks ([`crate::digest`]).
    pub networks: String,
    /// What checked it.
    pub checker: String,
    /// Inputs on which cells were evaluated.
    pub cell_inputs: u64,
    /// Smallest margin of any cell, in halves.
    pub margin: u32,
    /// The theorems, by operation.
    pub theorems: BTreeMap<String, String>,
}

/// The metadata of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// [`FORMAT`].
    pub format: String,
    /// What the file is.
    pub description: String,
    /// How each cell was trained.
    pub cells: BTreeMap<String, Training>,
    /// What was proved, once it was.
    pub certificate: Option<Certificate>,
}

/// The networks of all cells and their cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// In the order of [`CellId::ALL`].
    pub networks: Box<[Network; CellId::COUNT]>,
    /// In the order of [`FAMILIES`].
    pub cards: Vec<Card>,
}

/// Networks that a certificate is about.
pub struct Certified {
    /// The networks, in the order of [`CellId::ALL`].
    pub networks: Box<[Network; CellId::COUNT]>,
    /// The same, ready to be evaluated.
    pub cells: Box<Cells>,
    /// What was proved of them.
    pub certificate: Certificate,
}

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file is not there.
    #[error("{path} is missing: make the weights with `{command}`")]
    Missing {
        /// The file.
        path: PathBuf,
        /// What makes it.
        command: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is truncated or foreign.
    #[error("{path} is no weight file ({source}): make it again with `{command}`")]
    Format {
        /// The file.
        path: PathBuf,
        /// What makes it.
        command: String,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A file has no card of ours.
    #[error(
        "{path} has no model card of the form {FORMAT} ({why}): make it again with `{command}`"
    )]
    Card {
        /// The file.
        path: PathBuf,
        /// What makes it.
        command: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tensor is not as it should be.
    #[error("{path}: tensor {tensor} {why}: make the file again with `{command}`")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// What makes it.
        command: String,
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        why: String,
    },
    /// Numbers are no network.
    #[error("{path}: cell {cell}: {source}: make the file again with `{command}`")]
    Network {
        /// The file.
        path: PathBuf,
        /// What makes it.
        command: String,
        /// The cell.
        cell: &'static str,
        /// What is wrong with them.
        source: NetworkError,
    },
    /// Networks do not fit their cells.
    #[error("{folder}: {source}: make the weights again with `{command}`")]
    Schedule {
        /// The folder.
        folder: PathBuf,
        /// What makes them.
        command: String,
        /// What is wrong.
        source: ScheduleError,
    },
    /// Nothing was proved of the weights yet.
    #[error("{path} has no certificate: prove the weights with `{command}`")]
    NotCertified {
        /// The file.
        path: PathBuf,
        /// What proves them.
        command: String,
    },
    /// The certificate is about other weights.
    #[error(
        "{path}: its certificate is for networks with the digest {certified}, but these have \
         {found}: the weights were changed after they were proved. Prove them with `{command}`"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What proves them.
        command: String,
        /// The certificate's digest.
        certified: String,
        /// That of the weights.
        found: String,
    },
    /// A network is wrong.
    #[error("{folder}: {source}: make the weights again with `{command}`")]
    Refuted {
        /// The folder.
        folder: PathBuf,
        /// What makes them.
        command: String,
        /// The input that goes wrong.
        source: Refuted,
    },
    /// What was to be written cannot be.
    #[error("cannot write {path}: {why}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The command that makes the weights of a folder.
fn train_command(folder: &Path) -> String {
    format!("ncpu train alu --out {0} && ncpu verify alu --weights {0}", folder.display())
}

/// The command that proves the weights of a folder.
fn verify_command(folder: &Path) -> String {
    format!("ncpu verify alu --weights {}", folder.display())
}

impl Weights {
    /// Reads all files of a folder, proved or not.
    ///
    /// # Errors
    /// When one is missing, or not as it should be.
    pub fn read(folder: &Path) -> Result<Weights, WeightsError> {
        let mut networks = BTreeMap::new();
        let mut cards = Vec::new();
        for family in FAMILIES {
            let file = File { path: family.path(folder), command: train_command(folder) };
            let bytes = match std::fs::read(&file.path) {
                Ok(bytes) => bytes,
                Err(source) if source.kind() == io::ErrorKind::NotFound => {
                    return Err(WeightsError::Missing { path: file.path, command: file.command });
                }
                Err(source) => return Err(WeightsError::Io { path: file.path, source }),
            };
            let format = |source| WeightsError::Format {
                path: file.path.clone(),
                command: file.command.clone(),
                source,
            };
            let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(format)?;
            let tensors = SafeTensors::deserialize(&bytes).map_err(format)?;
            let card = metadata.metadata().as_ref().and_then(|metadata| metadata.get(CARD));
            cards.push(file.card(card)?);
            for &cell in family.cells {
                networks.insert(cell, file.network(&tensors, cell)?);
            }
            if let Some(foreign) = tensors.names().into_iter().find(|name| {
                let cell = name.strip_suffix(".weights").or(name.strip_suffix(".biases"));
                !family.cells.iter().any(|own| Some(own.name()) == cell)
            }) {
                return Err(file.tensor(foreign, "does not belong into it".to_owned()));
            }
        }
        let networks: Vec<Network> = networks.into_values().collect();
        let networks = networks.try_into().map_err(|_| WeightsError::Missing {
            path: folder.to_path_buf(),
            command: train_command(folder),
        })?;
        Ok(Weights { networks: Box::new(networks), cards })
    }

    /// Reads the files of a folder and sees that they are those that were proved. Cells are evaluated on
    /// all of their inputs again, which takes a millisecond, so that a certificate that was copied or made
    /// up does not let a wrong network compute.
    ///
    /// # Errors
    /// As [`Weights::read`], and when there is no certificate for just these weights, or one is wrong.
    pub fn certified(folder: &Path) -> Result<Certified, WeightsError> {
        let weights = Weights::read(folder)?;
        let found = digest(&weights.networks);
        let mut certificate = None;
        for (family, card) in FAMILIES.iter().zip(weights.cards.iter()) {
            let (path, command) = (family.path(folder), verify_command(folder));
            let Some(own) = &card.certificate else {
                return Err(WeightsError::NotCertified { path, command });
            };
            if own.networks != found {
                let certified = own.networks.clone();
                return Err(WeightsError::Digest { path, command, certified, found });
            }
            certificate = Some(own.clone());
        }
        let (Some(certificate), cells) = (certificate, weights.cells(folder)?) else {
            let (path, command) = (folder.to_path_buf(), verify_command(folder));
            return Err(WeightsError::NotCertified { path, command });
        };
        check_cells(&weights.networks, &cells).map_err(|source| WeightsError::Refuted {
            folder: folder.to_path_buf(),
            command: train_command(folder),
            source,
        })?;
        Ok(Certified { networks: weights.networks, cells, certificate })
    }

    /// The networks as they are evaluated; `folder` is for errors.
    ///
    /// # Errors
    /// When a network does not fit its cell.
    pub fn cells(&self, folder: &Path) -> Result<Box<Cells>, WeightsError> {
        Cells::new(&self.networks).map(Box::new).map_err(|source| WeightsError::Schedule {
            folder: folder.to_path_buf(),
            command: train_command(folder),
            source,
        })
    }

    /// Writes all files into a folder; each appears under its name when it is complete.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), WeightsError> {
        let io = |source| WeightsError::Io { path: folder.to_path_buf(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        for (family, card) in FAMILIES.iter().zip(&self.cards) {
            let path = family.path(folder);
            let failed = |why: String| WeightsError::Write { path: path.clone(), why };
            let tensors = family.cells.iter().flat_map(|&cell| {
                let [weights, biases] = tensors(&self.networks[cell as usize]);
                let name = cell.name();
                [(format!("{name}.weights"), weights), (format!("{name}.biases"), biases)]
            });
            let card = serde_json::to_string(card).map_err(|error| failed(error.to_string()))?;
            let metadata = HashMap::from([(CARD.to_owned(), card)]);
            let bytes = safetensors::serialize(tensors, Some(metadata))
                .map_err(|error| failed(error.to_string()))?;
            let write = || -> io::Result<()> {
                let unfinished = path.with_extension("unfinished");
                std::fs::write(&unfinished, &bytes)?;
                std::fs::rename(&unfinished, &path)
            };
            write().map_err(|source| WeightsError::Io { path: path.clone(), source })?;
        }
        Ok(())
    }
}

/// A file that is being read.
struct File {
    path: PathBuf,
    command: String,
}

impl File {
    fn tensor(&self, tensor: &str, why: String) -> WeightsError {
        let (path, command) = (self.path.clone(), self.command.clone());
        WeightsError::Tensor { path, command, tensor: tensor.to_owned(), why }
    }

    fn card(&self, json: Option<&String>) -> Result<Card, WeightsError> {
        let why = match json.map(|json| serde_json::from_str::<Card>(json)) {
            None => format!("no metadata entry \"{CARD}\""),
            Some(Err(error)) => error.to_string(),
            Some(Ok(card)) if card.format != FORMAT => format!("it says {}", card.format),
            Some(Ok(card)) => return Ok(card),
        };
        Err(WeightsError::Card { path: self.path.clone(), command: self.command.clone(), why })
    }

    /// The numbers of a tensor and its shape.
    fn numbers(
        &self,
        tensors: &SafeTensors<'_>,
        name: &str,
    ) -> Result<(Vec<i16>, Vec<usize>), WeightsError> {
        let tensor =
            tensors.tensor(name).map_err(|_| self.tensor(name, "is missing".to_owned()))?;
        if tensor.dtype() != Dtype::I16 {
            return Err(self.tensor(name, format!("is of type {:?}, not I16", tensor.dtype())));
        }
        let (pairs, _) = tensor.data().as_chunks::<2>();
        Ok((pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect(), tensor.shape().to_vec()))
    }

    fn network(&self, tensors: &SafeTensors<'_>, cell: CellId) -> Result<Network, WeightsError> {
        let [rows, offsets] = ["weights", "biases"].map(|kind| format!("{}.{kind}", cell.name()));
        let (biases, shape) = self.numbers(tensors, &offsets)?;
        let neurons = biases.len();
        if shape != [neurons] {
            return Err(self.tensor(&offsets, format!("has the shape {shape:?}")));
        }
        let (weights, shape) = self.numbers(tensors, &rows)?;
        let width = cell.inputs() + neurons;
        if neurons < cell.outputs() || shape != [neurons, width] {
            let outputs = cell.outputs();
            let why = format!(
                "has the shape {shape:?}, not [neurons, {} + neurons] with {outputs} or more neurons",
                cell.inputs()
            );
            return Err(self.tensor(&rows, why));
        }
        let read = || -> Result<Network, NetworkError> {
            let mut network = Network::new(cell.inputs())?;
            for (neuron, (row, &bias)) in weights.chunks(width).zip(&biases).enumerate() {
                let (own, rest) = row.split_at(cell.inputs() + neuron);
                if rest.iter().any(|&weight| weight != 0) {
                    return Err(NetworkError::FanIn { neuron, weights: width });
                }
                network.push(own, bias)?;
            }
            Ok(network)
        };
        read().map_err(|source| WeightsError::Network {
            path: self.path.clone(),
            command: self.command.clone(),
            cell: cell.name(),
            source,
        })
    }
}

/// A tensor to be written.
struct Numbers {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        Dtype::I16
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Weights and biases of a network.
fn tensors(network: &Network) -> [Numbers; 2] {
    let (neurons, width) = (network.neurons(), network.inputs() + network.neurons());
    let bytes = |numbers: Vec<i16>| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let weights = (0..neurons).flat_map(|neuron| {
        let mut row = network.weights(neuron).to_vec();
        row.resize(width, 0);
        row
    });
    let biases = (0..neurons).map(|neuron| network.bias(neuron));
    [
        Numbers { shape: vec![neurons, width], bytes: bytes(weights.collect()) },
        Numbers { shape: vec![neurons], bytes: bytes(biases.collect()) },
    ]
}
