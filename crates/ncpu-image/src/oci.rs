//! Container images: OCI layouts (OCI image specification, image-layout.md) as directories or packed
//! in an archive, and what `docker save` writes.
//!
//! The image for `linux/arm64` is chosen, every blob is checked against its digest before it is
//! used, and the layers are applied in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256, Sha512};

use crate::archive::{self, Role};
use crate::compression;
use crate::config::{ImageConfig, null_is_default};
use crate::error::ImageError;
use crate::tree::{Body, Tree, components};
use crate::writer::{Contents, Writer};

/// Largest JSON document read; registries refuse manifests over 4 MiB.
const MAX_JSON: u64 = 16 << 20;

/// Indexes within indexes before giving up.
const MAX_NESTING: usize = 8;

/// What can be wrong with a container image.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file of the layout is missing or cannot be read.
    #[error("cannot read {name}: {error}")]
    Read {
        /// Name inside the layout.
        name: String,
        /// What the host said.
        error: io::Error,
    },
    /// A JSON document is not what it should be.
    #[error("{name}: {error}")]
    Json {
        /// Name inside the layout.
        name: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// A JSON document is too long.
    #[error("{name} is longer than {MAX_JSON} bytes")]
    TooLong {
        /// Name inside the layout.
        name: String,
    },
    /// A blob's contents are not those that its digest names.
    #[error("blob {expected} is damaged: its contents have the digest {found}")]
    Digest {
        /// The digest in the manifest.
        expected: String,
        /// The digest of what is there.
        found: String,
    },
    /// A digest that cannot be checked here.
    #[error("{0:?} is not a sha256 or sha512 digest")]
    DigestForm(String),
    /// A file name in the layout leads outside of it.
    #[error("{0:?} leads outside the layout")]
    Escape(String),
    /// Indexes are nested too deeply.
    #[error("indexes are nested more than {MAX_NESTING} deep")]
    Nesting,
    /// A `docker save` archive does not say what its layers should be.
    #[error("{name} lists {diff_ids} layer digests for {layers} layers")]
    LayerCount {
        /// The configuration.
        name: String,
        /// Digests in the configuration.
        diff_ids: usize,
        /// Layers in the manifest.
        layers: usize,
    },
    /// There is no image for `linux/arm64`.
    #[error("no image for linux/arm64; there is {}", list(available, "nothing at all"))]
    Platform {
        /// Platforms of the images that are there.
        available: Vec<String>,
    },
    /// Several images fit.
    #[error("holds several images, name one: {}", list(available, "they have no names"))]
    Ambiguous {
        /// Names of the images that are there.
        available: Vec<String>,
    },
    /// No image has the name asked for.
    #[error("no image is named {wanted:?}; there is {}", list(available, "no name at all"))]
    Reference {
        /// The name asked for.
        wanted: String,
        /// Names of the images that are there.
        available: Vec<String>,
    },
}

fn list(items: &[String], nothing: &str) -> String {
    if items.is_empty() { nothing.to_owned() } else { items.join(", ") }
}

/// The files of a layout.
#[derive(Debug)]
pub(crate) enum Store<'a> {
    /// On the host.
    Directory(PathBuf),
    /// In an archive that was unpacked into the beginnings of an image.
    Archive(&'a Tree, Contents),
}

impl Store<'_> {
    /// Whether this is a container image, rather than a root file system that holds such files
    /// somewhere.
    pub(crate) fn is_layout(&self) -> bool {
        let has = |name| self.open(name).is_ok();
        (has("oci-layout") && has("index.json"))
            || self.json::<Vec<DockerImage>>("manifest.json").is_ok_and(|list| !list.is_empty())
    }

    fn open(&self, name: &str) -> Result<Box<dyn BufRead + '_>, OciError> {
        let path = components(name.as_bytes()).map_err(|_| OciError::Escape(name.to_owned()))?;
        let failed = |error| OciError::Read { name: name.to_owned(), error };
        match self {
            Store::Directory(root) => {
                let root = root.canonicalize().map_err(failed)?;
                let file = root.join(name).canonicalize().map_err(failed)?;
                if !file.starts_with(&root) {
                    return Err(OciError::Escape(name.to_owned()));
                }
                if !file.metadata().map_err(failed)?.is_file() {
                    return Err(failed(io::Error::other("not a regular file")));
                }
                Ok(Box::new(BufReader::with_capacity(1 << 16, File::open(file).map_err(failed)?)))
            }
            Store::Archive(tree, contents) => {
                match tree.find(&path, true).map(|id| tree.node(id)) {
                    Some(node) if let Body::File(extent) = node.body => {
                        Ok(Box::new(BufReader::with_capacity(1 << 16, contents.reader(extent))))
                    }
                    _ => Err(failed(io::ErrorKind::NotFound.into())),
                }
            }
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, OciError> {
        let mut bytes = Vec::new();
        let mut reader = self.open(name)?.take(MAX_JSON + 1);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| OciError::Read { name: name.to_owned(), error })?;
        if bytes.len() as u64 > MAX_JSON {
            return Err(OciError::TooLong { name: name.to_owned() });
        }
        Ok(bytes)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, OciError> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| OciError::Json { name: name.to_owned(), error })
    }

    /// A JSON document that a digest names.
    fn blob_json<T: DeserializeOwned>(&self, digest: &str) -> Result<T, OciError> {
        let name = blob_name(digest)?;
        let bytes = self.bytes(&name)?;
        verify(&mut &*bytes, digest, &name)?;
        serde_json::from_slice(&bytes).map_err(|error| OciError::Json { name, error })
    }
}

/// What the cache knows a layout directory by: its index names everything else by digest.
pub(crate) fn identity(root: &Path) -> Result<Vec<u8>, ImageError> {
    Store::Directory(root.to_owned())
        .bytes("index.json")
        .map_err(|error| ImageError::Oci { path: root.to_owned(), error })
}

/// Chooses an image and puts its layers into a tree.
pub(crate) fn pack(
    store: &Store<'_>,
    path: &Path,
    reference: Option<&str>,
    limit: u64,
    writer: &mut Writer,
) -> Result<(Tree, ImageConfig), ImageError> {
    let failed = |error| ImageError::Oci { path: path.to_owned(), error };
    let image = choose(store, reference).map_err(failed)?;
    let mut tree = Tree::new();
    for layer in &image.layers {
        check_layer(store, layer).map_err(failed)?;
        tree.begin_layer();
        let blob = store.open(&layer.name).map_err(failed)?;
        archive::unpack(blob, Role::Layer, limit, &mut tree, writer).map_err(|error| {
            ImageError::Archive {
                archive: format!("{}, layer {}", path.display(), layer.name),
                error,
            }
        })?;
    }
    Ok((tree, image.config))
}

/// The chosen image.
struct Image {
    config: ImageConfig,
    layers: Vec<Layer>,
}

/// A layer's file in the layout and what vouches for it.
struct Layer {
    name: String,
    digest: String,
    /// The digest is of the archive inside the compression.
    of_contents: bool,
}

fn check_layer(store: &Store<'_>, layer: &Layer) -> Result<(), OciError> {
    let mut blob = store.open(&layer.name)?;
    if layer.of_contents {
        let mut contents = compression::decoder(blob)
            .map_err(|error| OciError::Read { name: layer.name.clone(), error })?;
        verify(&mut contents, &layer.digest, &layer.name)
    } else {
        verify(&mut blob, &layer.digest, &layer.name)
    }
}

fn choose(store: &Store<'_>, reference: Option<&str>) -> Result<Image, OciError> {
    if store.open("index.json").is_ok() {
        choose_oci(store, reference)
    } else {
        choose_docker(store, reference)
    }
}

fn choose_oci(store: &Store<'_>, reference: Option<&str>) -> Result<Image, OciError> {
    let index: Index = store.json("index.json")?;
    let names = |tops: &[&Descriptor]| -> Vec<String> {
        tops.iter().flat_map(|top| top.names()).map(str::to_owned).collect()
    };
    let all: Vec<&Descriptor> = index.manifests.iter().collect();
    let mut tops = all.clone();
    if let Some(wanted) = reference {
        tops.retain(|top| top.names().any(|name| name == wanted));
        if tops.is_empty() {
            let wanted = wanted.to_owned();
            return Err(OciError::Reference { wanted, available: names(&all) });
        }
    }
    let mut available = Vec::new();
    let mut found: Option<(&Descriptor, String, Manifest, Configuration)> = None;
    for top in &tops {
        let Some((digest, manifest, config)) = first_match(store, top, 0, &mut available)? else {
            continue;
        };
        match &found {
            Some((_, other, ..)) if *other != digest => {
                return Err(OciError::Ambiguous { available: names(&tops) });
            }
            _ => found = Some((top, digest, manifest, config)),
        }
    }
    let Some((_, _, manifest, configuration)) = found else {
        return Err(OciError::Platform { available });
    };
    let layers = manifest
        .layers
        .into_iter()
        .map(|layer| {
            let name = blob_name(&layer.digest)?;
            Ok(Layer { name, digest: layer.digest, of_contents: false })
        })
        .collect::<Result<_, OciError>>()?;
    Ok(Image { config: configuration.config, layers })
}

/// The first manifest for this machine at or below a descriptor, with its digest.
fn first_match(
    store: &Store<'_>,
    descriptor: &Descriptor,
    nesting: usize,
    available: &mut Vec<String>,
) -> Result<Option<(String, Manifest, Configuration)>, OciError> {
    if nesting > MAX_NESTING {
        return Err(OciError::Nesting);
    }
    if descriptor.is_index() {
        let index: Index = store.blob_json(&descriptor.digest)?;
        for inner in &index.manifests {
            if let Some(found) = first_match(store, inner, nesting + 1, available)? {
                return Ok(Some(found));
            }
        }
        return Ok(None);
    }
    if let Some(platform) = &descriptor.platform
        && !platform.is_ours()
    {
        available.extend(platform.shown());
        return Ok(None);
    }
    let manifest: Manifest = store.blob_json(&descriptor.digest)?;
    let configuration: Configuration = store.blob_json(&manifest.config.digest)?;
    if !configuration.platform.is_ours() {
        available.extend(configuration.platform.shown());
        return Ok(None);
    }
    Ok(Some((descriptor.digest.clone(), manifest, configuration)))
}

/// `docker save` before it wrote OCI layouts: `manifest.json` names the files, and only the
/// configuration vouches for the layers (image-spec v1.2 of Moby, "Combined Image JSON").
fn choose_docker(store: &Store<'_>, reference: Option<&str>) -> Result<Image, OciError> {
    let images: Vec<DockerImage> = store.json("manifest.json")?;
    let names = || images.iter().flat_map(|image| image.repo_tags.iter().cloned()).collect();
    let mut available = Vec::new();
    let mut found = None;
    let mut named = false;
    for image in &images {
        if reference.is_some_and(|wanted| !image.repo_tags.iter().any(|tag| tag == wanted)) {
            continue;
        }
        named = true;
        let configuration: Configuration = store.json(&image.config)?;
        if !configuration.platform.is_ours() {
            available.extend(configuration.platform.shown());
        } else if found.replace((image, configuration)).is_some() {
            return Err(OciError::Ambiguous { available: names() });
        }
    }
    if let Some(wanted) = reference
        && !named
    {
        return Err(OciError::Reference { wanted: wanted.to_owned(), available: names() });
    }
    let Some((image, configuration)) = found else {
        return Err(OciError::Platform { available });
    };
    let diff_ids = configuration.rootfs.diff_ids;
    if diff_ids.len() != image.layers.len() {
        return Err(OciError::LayerCount {
            name: image.config.clone(),
            diff_ids: diff_ids.len(),
            layers: image.layers.len(),
        });
    }
    let layers = image.layers.iter().cloned().zip(diff_ids);
    let layers = layers.map(|(name, digest)| Layer { name, digest, of_contents: true }).collect();
    Ok(Image { config: configuration.config, layers })
}

#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
    #[serde(default, deserialize_with = "null_is_default")]
    annotations: BTreeMap<String, String>,
}

impl Descriptor {
    fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.index.v1+json"
                | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// The names by which tools tag images in a layout.
    fn names(&self) -> impl Iterator<Item = &str> {
        ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .into_iter()
            .filter_map(|key| self.annotations.get(key).map(String::as_str))
    }
}

#[derive(Debug, Default, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    variant: Option<String>,
}

impl Platform {
    fn is_ours(&self) -> bool {
        self.os == "linux" && self.architecture == "arm64"
    }

    /// For people; nothing for attestations and signatures, whose platform is `unknown` or empty.
    fn shown(&self) -> Option<String> {
        if matches!(self.os.as_str(), "" | "unknown") {
            return None;
        }
        let variant = self.variant.iter().flat_map(|variant| ["/", variant]);
        Some(
            [self.os.as_str(), "/", self.architecture.as_str()]
                .into_iter()
                .chain(variant)
                .collect(),
        )
    }
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Configuration {
    #[serde(flatten)]
    platform: Platform,
    #[serde(default, deserialize_with = "null_is_default")]
    config: ImageConfig,
    #[serde(default, deserialize_with = "null_is_default")]
    rootfs: LayerDigests,
}

#[derive(Debug, Default, Deserialize)]
struct LayerDigests {
    #[serde(default, deserialize_with = "null_is_default")]
    diff_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// The algorithm and the hexadecimal digits of a digest.
fn split_digest(digest: &str) -> Result<(&str, &str), OciError> {
    let split = digest.split_once(':').filter(|(algorithm, hex)| {
        let digits = match *algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return false,
        };
        hex.len() == digits && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    });
    split.ok_or_else(|| OciError::DigestForm(digest.to_owned()))
}

fn blob_name(digest: &str) -> Result<String, OciError> {
    let (algorithm, hex) = split_digest(digest)?;
    Ok(format!("blobs/{algorithm}/{hex}"))
}

fn verify(source: &mut dyn Read, digest: &str, name: &str) -> Result<(), OciError> {
    let (algorithm, expected) = split_digest(digest)?;
    let found = match algorithm {
        "sha512" => hash::<Sha512>(source),
        _ => hash::<Sha256>(source),
    };
    let found = found.map_err(|error| OciError::Read { name: name.to_owned(), error })?;
    if found == expected {
        return Ok(());
    }
    Err(OciError::Digest { expected: digest.to_owned(), found: format!("{algorithm}:{found}") })
}

fn hash<D: Digest>(source: &mut dyn Read) -> io::Result<String> {
    let mut state = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(hex(&state.finalize())),
            Ok(got) => state.update(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
