//! Start-up defaults that a container image carries.

use serde::{Deserialize, Deserializer, Serialize};

/// How a container image wants to be run, in the terms of the OCI image configuration's `config`
/// object. Empty for sources other than container images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// Environment as `NAME=value`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Default arguments, or the whole default command without an entry point.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// What every command line starts with.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Working directory; empty means `/`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// `user`, `uid`, `user:group` and so on; empty means root.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
}

impl ImageConfig {
    /// The command line for the arguments that a user gave, as `docker run` composes it: the entry
    /// point, then the arguments, or the default ones if there are none.
    pub fn command(&self, arguments: &[String]) -> Vec<String> {
        let arguments = if arguments.is_empty() { &self.cmd } else { arguments };
        self.entrypoint.iter().chain(arguments).cloned().collect()
    }

    /// As kept inside an image: nothing if there is nothing to say.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        if *self == ImageConfig::default() {
            return Vec::new();
        }
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads back what [`ImageConfig::to_json`] wrote.
    pub(crate) fn from_json(json: &[u8]) -> Result<ImageConfig, serde_json::Error> {
        if json.is_empty() { Ok(ImageConfig::default()) } else { serde_json::from_slice(json) }
    }
}

/// Docker writes `null` for what is not set.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
