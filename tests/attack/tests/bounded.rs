//! Every target for a short while: the same cases in every run.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Cases of a target that pass, or the seed of the first that does not.
fn all(cases: u64, case: fn(u64) -> anyhow::Result<()>) {
    for seed in 1..=cases {
        match catch_unwind(AssertUnwindSafe(|| case(seed))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("seed {seed}: {error:#}"),
            Err(_) => panic!("seed {seed} panicked, see above"),
        }
    }
}

#[test]
fn programs_whose_headers_lie() {
    all(400, attack::elf::case);
}

#[test]
fn archives_and_container_images() {
    all(2000, attack::archive::case);
}

#[test]
fn root_file_system_images() {
    all(1000, attack::rootfs::case);
}

#[test]
fn snapshot_files() {
    all(40, attack::snapshot::case);
}

#[test]
fn random_code_and_system_calls() {
    all(60, attack::code::case);
}

#[test]
fn sources_and_images() {
    all(3000, attack::text::case);
}

#[test]
fn the_valid_program_runs() {
    let reason = attack::machine::run_elf(&attack::elf::seed(), attack::machine::FUEL);
    assert!(matches!(reason, Ok(Some(ncpu_engine::Reason::Ended(0)))), "{reason:?}");
}

#[test]
fn random_programs_make_nearly_every_call() {
    use ncpu_linux::table;
    let reached = attack::code::reach(1..40).expect("machines that start");
    let there = (0..table::NUMBERS as u32).filter(|&number| table::is_implemented(number));
    let (made, missed): (Vec<_>, Vec<_>) = there.partition(|number| reached.contains(number));
    let missed: Vec<_> = missed.into_iter().filter_map(table::name).collect();
    assert!(made.len() > 9 * missed.len(), "{missed:?}");
}
