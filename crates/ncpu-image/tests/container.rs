//! Container images, made here after the OCI image specification and Moby's image format.

mod support;

use std::fs;
use std::path::Path;

use ncpu_image::{ImageConfig, ImageError, OciError, Options, RootImage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Entry, contents, dir, file, find, hard_link, inode, link, names, tar};
use tempfile::TempDir;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A layout being made.
struct Layout {
    directory: TempDir,
}

impl Layout {
    fn new() -> Layout {
        let directory = support::scratch();
        fs::create_dir_all(directory.path().join("blobs/sha256")).expect("a temporary directory");
        fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("a temporary directory");
        Layout { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn blob(&self, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let hex = digest.trim_start_matches("sha256:");
        fs::write(self.path().join("blobs/sha256").join(hex), bytes).expect("a blob");
        json!({ "digest": digest, "size": bytes.len() })
    }

    fn json(&self, media_type: &str, value: &Value) -> Value {
        let mut descriptor = self.blob(value.to_string().as_bytes());
        descriptor["mediaType"] = media_type.into();
        descriptor
    }

    fn image(&self, architecture: &str, config: &Value, layers: &[Vec<u8>]) -> Value {
        let config = json!({ "os": "linux", "architecture": architecture, "config": config });
        let config = self.json("application/vnd.oci.image.config.v1+json", &config);
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(layer)).collect();
        self.json(MANIFEST, &json!({ "schemaVersion": 2, "config": config, "layers": layers }))
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.path().join("index.json"), index.to_string()).expect("an index");
    }

    /// The layout in an archive.
    fn archive(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all(".", self.path()).expect("writing to memory");
        builder.into_inner().expect("writing to memory")
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn simple(layout: &Layout, architecture: &str, word: &str) -> Value {
    layout.image(architecture, &Value::Null, &[tar(&[file("word", word.as_bytes())])])
}

fn refusal(result: Result<RootImage, ImageError>) -> OciError {
    match result {
        Err(ImageError::Oci { error, .. }) => error,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn layers_and_whiteouts_apply_in_order() {
    let layout = Layout::new();
    let config = json!({
        "Env": ["PATH=/bin", "A=b"], "Cmd": ["-l"], "Entrypoint": ["/bin/sh"],
        "WorkingDir": "/work", "User": "7:8", "Labels": { "ignored": "yes" },
    });
    let layers = [
        gzip(&tar(&[
            dir("bin"),
            file("bin/sh", b"shell"),
            file("bin/old", b"old"),
            dir("etc"),
            file("etc/a", b"1"),
            file("etc/b", b"1"),
            dir("opaque"),
            file("opaque/lower", b"1"),
            dir("opaque/sub"),
            file("opaque/sub/lower", b"1"),
            dir("gone"),
            file("gone/x", b"1"),
            dir("turns"),
            file("turns/x", b"1"),
            link("usr", "gone"),
        ])),
        tar(&[
            file("bin/.wh.old", b""),
            // Its own entries survive an opaque marker that comes after them.
            file("opaque/upper", b"2"),
            file("opaque/sub/upper", b"2"),
            file("opaque/.wh..wh..opq", b""),
            file(".wh.gone", b""),
            file("etc/b", b"2"),
            file("turns", b"2"),
            hard_link("etc/a2", "etc/a"),
            dir(".wh..wh.plnk"),
            file(".wh..wh.plnk/1.2", b""),
        ]),
        tar(&[file("etc/.wh.a", b""), dir("gone"), file("gone/y", b"3"), file(".wh.none", b"")]),
    ];
    layout.index(&[layout.image("arm64", &config, &layers)]);
    let expected_config = ImageConfig {
        env: vec!["PATH=/bin".into(), "A=b".into()],
        cmd: vec!["-l".into()],
        entrypoint: vec!["/bin/sh".into()],
        working_dir: "/work".into(),
        user: "7:8".into(),
    };
    let scratch = support::scratch();
    let packed = support::write(&scratch, "packed", &gzip(&layout.archive()));
    for path in [layout.path(), &packed] {
        let image = support::open(path).expect("a sound image");
        let rom = image.rom().expect("a checked image");
        rom.check_contents().expect("sound contents");
        assert_eq!(
            names(rom),
            [
                "bin",
                "bin/sh",
                "etc",
                "etc/a2",
                "etc/b",
                "gone",
                "gone/y",
                "opaque",
                "opaque/sub",
                "opaque/sub/upper",
                "opaque/upper",
                "turns",
                "usr",
            ]
        );
        assert_eq!(contents(rom, "etc/b"), b"2");
        assert_eq!(contents(rom, "etc/a2"), b"1");
        assert_eq!(inode(rom, "etc/a2").nlink, 1);
        assert_eq!(contents(rom, "turns"), b"2");
        assert_eq!(image.config(), &expected_config);
    }
    assert_eq!(expected_config.command(&[]), ["/bin/sh", "-l"]);
    assert_eq!(expected_config.command(&["-c".into()]), ["/bin/sh", "-c"]);
}

#[test]
fn the_arm64_image_is_chosen_from_nested_indexes() {
    let layout = Layout::new();
    let on = |mut manifest: Value, os: &str, architecture: &str| {
        manifest["platform"] = json!({ "os": os, "architecture": architecture });
        manifest
    };
    let inner = json!({ "manifests": [
        on(simple(&layout, "amd64", "amd64"), "linux", "amd64"),
        on(simple(&layout, "arm64", "arm64"), "linux", "arm64"),
        on(simple(&layout, "unknown", "attestation"), "unknown", "unknown"),
    ]});
    layout.index(&[layout.json(INDEX, &inner)]);
    let image = support::open(layout.path()).expect("a sound image");
    assert_eq!(contents(image.rom().expect("a checked image"), "word"), b"arm64");
}

#[test]
fn other_platforms_are_listed() {
    let layout = Layout::new();
    let mut v7 = simple(&layout, "arm", "arm");
    v7["platform"] = json!({ "os": "linux", "architecture": "arm", "variant": "v7" });
    layout.index(&[simple(&layout, "amd64", "amd64"), v7]);
    let error = refusal(support::open(layout.path()));
    assert!(
        matches!(&error, OciError::Platform { available }
            if available == &["linux/amd64", "linux/arm/v7"]),
        "{error}"
    );
}

#[test]
fn several_images_need_a_name() {
    let layout = Layout::new();
    let named = |word: &str| {
        let mut manifest = simple(&layout, "arm64", word);
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": word });
        manifest
    };
    layout.index(&[named("one"), named("two")]);
    let error = refusal(support::open(layout.path()));
    assert!(
        matches!(&error, OciError::Ambiguous { available } if available == &["one", "two"]),
        "{error}"
    );
    let ask = |name: &str| Options { reference: Some(name.into()), ..support::uncached() };
    let image = ncpu_image::open(layout.path(), &ask("two")).expect("a sound image");
    assert_eq!(contents(image.rom().expect("a checked image"), "word"), b"two");
    let error = refusal(ncpu_image::open(layout.path(), &ask("three")));
    assert!(matches!(error, OciError::Reference { .. }), "{error}");
}

#[test]
fn damaged_and_missing_blobs_are_refused() {
    let layout = Layout::new();
    let layer = tar(&[file("word", b"intact")]);
    layout.index(&[layout.image("arm64", &Value::Null, std::slice::from_ref(&layer))]);
    let blob = layout.path().join("blobs/sha256").join(&digest(&layer)["sha256:".len()..]);
    let mut damaged = layer.clone();
    damaged[512] ^= 1;
    fs::write(&blob, &damaged).expect("a blob");
    let error = refusal(support::open(layout.path()));
    assert!(
        matches!(&error, OciError::Digest { expected, found }
            if *expected == digest(&layer) && *found == digest(&damaged)),
        "{error}"
    );
    fs::remove_file(&blob).expect("a blob");
    let error = refusal(support::open(layout.path()));
    assert!(matches!(error, OciError::Read { .. }), "{error}");
}

#[test]
fn a_layout_cannot_name_files_outside() {
    let layout = Layout::new();
    for bad in ["sha256:../../../etc/passwd", "sha256:00", "md5:00", "", "sha256"] {
        layout.index(&[json!({ "mediaType": MANIFEST, "digest": bad, "size": 1 })]);
        let error = refusal(support::open(layout.path()));
        assert!(matches!(error, OciError::DigestForm(_)), "{error}");
    }
    // A blob that is a link out of the layout.
    let outside = support::scratch();
    let layer = tar(&[file("word", b"outside")]);
    let target = support::write(&outside, "layer", &layer);
    layout.index(&[layout.image("arm64", &Value::Null, std::slice::from_ref(&layer))]);
    let blob = layout.path().join("blobs/sha256").join(&digest(&layer)["sha256:".len()..]);
    fs::remove_file(&blob).expect("a blob");
    std::os::unix::fs::symlink(target, &blob).expect("a link");
    let error = refusal(support::open(layout.path()));
    assert!(matches!(error, OciError::Escape(_)), "{error}");
}

#[test]
fn docker_save_archives_from_before_oci_layouts() {
    let lower = tar(&[dir("etc"), file("etc/a", b"1"), file("b", b"1")]);
    let upper = tar(&[file(".wh.b", b""), file("c", b"2")]);
    let archive = |layers: &[String]| {
        let config = json!({
            "os": "linux", "architecture": "arm64",
            "config": { "Env": null, "Cmd": ["/bin/sh"], "Entrypoint": null, "WorkingDir": "" },
            "rootfs": { "type": "layers", "diff_ids": layers },
        });
        let manifest = json!([{
            "Config": "c.json", "RepoTags": ["busybox:latest"],
            "Layers": ["1/layer.tar", "2/layer.tar"],
        }]);
        tar(&[
            dir("1/"),
            file("1/layer.tar", &lower),
            dir("2/"),
            // Docker writes a layer that it has written before as a link.
            file("3", &upper),
            link("2/layer.tar", "../3"),
            file("c.json", config.to_string().as_bytes()),
            file("manifest.json", manifest.to_string().as_bytes()),
        ])
    };
    let scratch = support::scratch();
    let sound = archive(&[digest(&lower), digest(&upper)]);
    let image = support::open(&support::write(&scratch, "a", &sound)).expect("a sound image");
    let rom = image.rom().expect("a checked image");
    assert_eq!(names(rom), ["c", "etc", "etc/a"]);
    assert_eq!(image.config().cmd, ["/bin/sh"]);

    let swapped = archive(&[digest(&upper), digest(&lower)]);
    let error = refusal(support::open(&support::write(&scratch, "b", &swapped)));
    assert!(matches!(error, OciError::Digest { .. }), "{error}");
    let short = archive(&[digest(&lower)]);
    let error = refusal(support::open(&support::write(&scratch, "c", &short)));
    assert!(matches!(error, OciError::LayerCount { diff_ids: 1, layers: 2, .. }), "{error}");
}

#[test]
fn a_root_file_system_with_a_manifest_of_its_own_is_no_container_image() {
    let scratch = support::scratch();
    let bytes = tar(&[file("manifest.json", br#"{"name":"app"}"#), file("index.json", b"[]")]);
    let image = support::open(&support::write(&scratch, "a", &bytes)).expect("a sound archive");
    assert_eq!(names(image.rom().expect("a checked image")), ["index.json", "manifest.json"]);
}

#[test]
fn layers_with_hostile_names_are_refused() {
    let cases = [
        vec![file("../evil", b"")],
        vec![file(".wh..", b"")],
        vec![file(".wh...", b"")],
        vec![file("a/.wh.", b"")],
        vec![Entry { kind: tar::EntryType::new(b'M'), ..file("volume", b"") }],
    ];
    for entries in cases {
        let layout = Layout::new();
        layout.index(&[layout.image("arm64", &Value::Null, &[tar(&entries)])]);
        let result = support::open(layout.path());
        assert!(matches!(result, Err(ImageError::Archive { .. })), "{result:?}");
    }
}

#[test]
fn a_layer_replaces_links_and_keeps_what_they_led_to() {
    let layout = Layout::new();
    let layers = [
        tar(&[dir("data"), file("data/x", b"1"), link("now", "data"), link("sh", "dash")]),
        tar(&[file("now/y", b"2"), file("sh", b"2"), dir("now")]),
    ];
    layout.index(&[layout.image("arm64", &Value::Null, &layers)]);
    let image = support::open(layout.path()).expect("a sound image");
    let rom = image.rom().expect("a checked image");
    assert_eq!(names(rom), ["data", "data/x", "data/y", "now", "sh"]);
    assert!(inode(rom, "now").is_dir());
    assert_eq!(contents(rom, "sh"), b"2");
    assert_eq!(find(rom, "now/y"), None);
}
