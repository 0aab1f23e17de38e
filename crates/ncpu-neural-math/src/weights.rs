//! Weight files: networks as safetensors, with a model card and the certificate of their check.
//!
//! A folder holds a file for each network, with four tensors: `slopes` and `biases` of the hidden units
//! (32-bit integers), their `weights` in the output and the output's `bias` (64-bit). The metadata has
//! one entry, `card`, a JSON object.

use crate::network::{Network, NetworkError, Unit};
use crate::{NetworkId, Networks};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

/// The form of files that this version reads.
pub const FORMAT: &str = "ncpu-math-1";
/// The metadata entry with the model card.
const CARD: &str = "card";

/// How a network was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// What it approximates.
    pub function: String,
    /// Its layers.
    pub architecture: String,
    /// What it was trained on.
    pub data: String,
    /// Seed of the initial weights.
    pub seed: u64,
    /// The optimiser and its constants.
    pub optimiser: String,
    /// Its steps.
    pub steps: u32,
    /// Weights and biases.
    pub parameters: usize,
    /// Largest error on the data after rounding to integers, with three digits.
    pub error: f64,
}

/// What was found of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The arguments that the bound holds for.
    pub range: String,
    /// How many inputs were evaluated and compared.
    pub inputs: u64,
    /// What these inputs are.
    pub method: String,
    /// Largest error, in units of the last place, rounded up to four decimals.
    pub worst: f64,
    /// An input where it was found.
    pub at: String,
    /// The bound.
    pub bound: f64,
}

/// What was checked of the networks of all files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Digest of all networks ([`digest`]).
    pub networks: String,
    /// What checked it.
    pub checker: String,
    /// What was found, by function.
    pub functions: BTreeMap<String, Finding>,
}

/// The metadata of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// [`FORMAT`].
    pub format: String,
    /// What the file is.
    pub description: String,
    /// How the network was trained.
    pub training: Training,
    /// What was checked, once it was.
    pub certificate: Option<Certificate>,
}

/// All networks and their cards.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The networks.
    pub networks: Networks,
    /// In the order of [`NetworkId::ALL`].
    pub cards: Vec<Card>,
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
    /// A file or folder cannot be read or written.
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
    #[error("{path}: {source}: make the file again with `{command}`")]
    Network {
        /// The file.
        path: PathBuf,
        /// What makes it.
        command: String,
        /// What is wrong with them.
        source: NetworkError,
    },
    /// Nothing was checked of the weights yet.
    #[error("{path} has no certificate: check the weights with `{command}`")]
    NotCertified {
        /// The file.
        path: PathBuf,
        /// What checks them.
        command: String,
    },
    /// The certificate is about other weights.
    #[error(
        "{path}: its certificate is for networks with the digest {certified}, but these have \
         {found}: the weights were changed after they were checked. Make them again with `{command}`"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What makes them.
        command: String,
        /// The certificate's digest.
        certified: String,
        /// That of the weights.
        found: String,
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

/// The file of a network in a folder of weights.
pub fn path(folder: &Path, id: NetworkId) -> PathBuf {
    folder.join(format!("{}.safetensors", id.name()))
}

/// SHA-256, in hexadecimal, over all networks in the order of [`NetworkId::ALL`]: for each the number of
/// units (a byte), then for each unit its slope, bias and weight, then the output's bias (little-endian).
pub fn digest(networks: &Networks) -> String {
    let mut hash = Sha256::new();
    for network in &networks.0 {
        hash.update([network.units().len() as u8]);
        for unit in network.units() {
            hash.update(unit.slope.to_le_bytes());
            hash.update(unit.bias.to_le_bytes());
            hash.update(unit.weight.to_le_bytes());
        }
        hash.update(network.bias().to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The command that makes the weights of a folder.
fn train_command(folder: &Path) -> String {
    format!("ncpu train math --out {0} && ncpu verify math --weights {0}", folder.display())
}

impl Weights {
    /// Reads all files of a folder, checked or not.
    ///
    /// # Errors
    /// When one is missing, or not as it should be.
    pub fn read(folder: &Path) -> Result<Weights, WeightsError> {
        let mut networks = Vec::new();
        let mut cards = Vec::new();
        for id in NetworkId::ALL {
            let file = File { path: path(folder, id), command: train_command(folder) };
            let (network, card) = file.read(id)?;
            networks.push(network);
            cards.push(card);
        }
        let networks = networks.try_into().expect("there is one for each number");
        Ok(Weights { networks: Networks(networks), cards })
    }

    /// Sees that those certificates that there are belong to just these weights.
    ///
    /// # Errors
    /// When one is for others; `folder` is for the message.
    pub fn untampered(&self, folder: &Path) -> Result<(), WeightsError> {
        let found = digest(&self.networks);
        for (id, card) in NetworkId::ALL.into_iter().zip(&self.cards) {
            if let Some(own) = &card.certificate
                && own.networks != found
            {
                let certified = own.networks.clone();
                let (path, command) = (path(folder, id), train_command(folder));
                return Err(WeightsError::Digest { path, command, certified, found });
            }
        }
        Ok(())
    }

    /// Reads the files of a folder and sees that they are those that were checked.
    ///
    /// # Errors
    /// As [`Weights::read`], and when there is no certificate for just these weights.
    pub fn certified(folder: &Path) -> Result<Networks, WeightsError> {
        let weights = Weights::read(folder)?;
        weights.untampered(folder)?;
        for (id, card) in NetworkId::ALL.into_iter().zip(&weights.cards) {
            if card.certificate.is_none() {
                let command = format!("ncpu verify math --weights {}", folder.display());
                return Err(WeightsError::NotCertified { path: path(folder, id), command });
            }
        }
        Ok(weights.networks)
    }

    /// Writes all files into a folder; each appears under its name when it is complete.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), WeightsError> {
        let io = |path: &Path, source| WeightsError::Io { path: path.to_path_buf(), source };
        std::fs::create_dir_all(folder).map_err(|source| io(folder, source))?;
        for (id, card) in NetworkId::ALL.into_iter().zip(&self.cards) {
            let path = path(folder, id);
            let failed = |why: String| WeightsError::Write { path: path.clone(), why };
            let card = serde_json::to_string(card).map_err(|error| failed(error.to_string()))?;
            let metadata = HashMap::from([(CARD.to_owned(), card)]);
            let bytes = safetensors::serialize(tensors(self.networks.get(id)), Some(metadata))
                .map_err(|error| failed(error.to_string()))?;
            let unfinished = path.with_extension("unfinished");
            std::fs::write(&unfinished, &bytes)
                .and_then(|()| std::fs::rename(&unfinished, &path))
                .map_err(|source| io(&path, source))?;
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
    fn read(&self, id: NetworkId) -> Result<(Network, Card), WeightsError> {
        let bytes = std::fs::read(&self.path).map_err(|source| {
            let path = self.path.clone();
            if source.kind() == io::ErrorKind::NotFound {
                return WeightsError::Missing { path, command: self.command.clone() };
            }
            WeightsError::Io { path, source }
        })?;
        let format = |source| WeightsError::Format {
            path: self.path.clone(),
            command: self.command.clone(),
            source,
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(format)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(format)?;
        let card = metadata.metadata().as_ref().and_then(|metadata| metadata.get(CARD));
        let card = self.card(card)?;
        Ok((self.network(&tensors, id)?, card))
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

    /// The bytes of a tensor of one dimension, in pieces of `N`.
    fn numbers<const N: usize>(
        &self,
        tensors: &SafeTensors<'_>,
        name: &str,
        dtype: Dtype,
    ) -> Result<Vec<[u8; N]>, WeightsError> {
        let wrong = |why: String| {
            let (path, command) = (self.path.clone(), self.command.clone());
            WeightsError::Tensor { path, command, tensor: name.to_owned(), why }
        };
        let tensor = tensors.tensor(name).map_err(|_| wrong("is missing".to_owned()))?;
        if tensor.dtype() != dtype {
            return Err(wrong(format!("is of type {:?}, not {dtype:?}", tensor.dtype())));
        }
        if tensor.shape().len() != 1 {
            return Err(wrong(format!("has the shape {:?}", tensor.shape())));
        }
        Ok(tensor.data().as_chunks::<N>().0.to_vec())
    }

    fn network(&self, tensors: &SafeTensors<'_>, id: NetworkId) -> Result<Network, WeightsError> {
        let slopes = self.numbers(tensors, "slopes", Dtype::I32)?;
        let biases = self.numbers(tensors, "biases", Dtype::I32)?;
        let weights = self.numbers(tensors, "weights", Dtype::I64)?;
        let bias = self.numbers(tensors, "bias", Dtype::I64)?;
        let lengths = [
            ("biases", biases.len(), slopes.len()),
            ("weights", weights.len(), slopes.len()),
            ("bias", bias.len(), 1),
        ];
        for (tensor, has, wanted) in lengths {
            if has != wanted {
                return Err(WeightsError::Tensor {
                    path: self.path.clone(),
                    command: self.command.clone(),
                    tensor: tensor.to_owned(),
                    why: format!("has {has} numbers, not {wanted}"),
                });
            }
        }
        let units: Vec<Unit> = slopes
            .into_iter()
            .zip(biases)
            .zip(weights)
            .map(|((slope, bias), weight)| Unit {
                slope: i32::from_le_bytes(slope),
                bias: i32::from_le_bytes(bias),
                weight: i64::from_le_bytes(weight),
            })
            .collect();
        Network::new(&units, i64::from_le_bytes(bias[0]), id.domain()).map_err(|source| {
            let (path, command) = (self.path.clone(), self.command.clone());
            WeightsError::Network { path, command, source }
        })
    }
}

/// A tensor of one dimension to be written.
struct Numbers {
    dtype: Dtype,
    shape: [usize; 1],
    bytes: Vec<u8>,
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        self.dtype
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

/// The tensors of a network.
fn tensors(network: &Network) -> [(&'static str, Numbers); 4] {
    let units = network.units();
    let numbers = |dtype, count, bytes| Numbers { dtype, shape: [count], bytes };
    let of = |field: fn(&Unit) -> i32| units.iter().flat_map(|u| field(u).to_le_bytes()).collect();
    let weights = units.iter().flat_map(|u| u.weight.to_le_bytes()).collect();
    [
        ("slopes", numbers(Dtype::I32, units.len(), of(|unit| unit.slope))),
        ("biases", numbers(Dtype::I32, units.len(), of(|unit| unit.bias))),
        ("weights", numbers(Dtype::I64, units.len(), weights)),
        ("bias", numbers(Dtype::I64, 1, network.bias().to_le_bytes().to_vec())),
    ]
}
