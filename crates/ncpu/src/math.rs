//! `ncpu train math`, `ncpu verify math` and `ncpu math`.

use crate::cli::{MathArguments, TrainMathArguments, VerifyMathArguments};
use crate::neural::{REFUTED, bar};
use crate::report::tell;
use anyhow::{Context, ensure};
use ncpu_neural_math::verify::reference::{exact, units};
use ncpu_neural_math::verify::{self, Checked};
use ncpu_neural_math::weights::{Weights, digest};
use ncpu_neural_math::{Function, NetworkId};
use std::io::{self, Write};
use std::time::Instant;

/// How a bar shows parts of the whole and the time left.
const PART_DONE: &str = "{bar:30} {percent}% {msg} (left: {eta})";

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

/// Trains the networks.
#[cfg(feature = "train")]
pub(crate) fn train(arguments: &TrainMathArguments) -> anyhow::Result<u8> {
    use ncpu_neural_math::train::{STEPS, curves, train};

    let TrainMathArguments { out, seed } = arguments;
    let start = Instant::now();
    let bar = bar(STEPS as u64, PART_DONE);
    let (weights, ways) = train(*seed, threads(), || bar.inc(1))?;
    bar.finish_and_clear();
    weights.write(out)?;
    let path = out.join("curves.csv");
    std::fs::write(&path, curves::table(&ways)).with_context(|| path.display().to_string())?;
    let mut stdout = io::stdout().lock();
    for (id, card) in NetworkId::ALL.into_iter().zip(&weights.cards) {
        writeln!(
            stdout,
            "{:5} {:3} parameters, largest error on the samples {:.2e} ({})",
            id.name(),
            card.training.parameters,
            card.training.error,
            id.formula()
        )?;
    }
    writeln!(
        stdout,
        "networks {}\nwritten to {} in {:.1} s; check them with: ncpu verify math --weights {}",
        digest(&weights.networks),
        out.display(),
        start.elapsed().as_secs_f64(),
        out.display()
    )?;
    Ok(0)
}

/// Says how to get what this build lacks.
#[cfg(not(feature = "train"))]
pub(crate) fn train(_: &TrainMathArguments) -> anyhow::Result<u8> {
    anyhow::bail!(
        "this build cannot train: build it with `cargo build --release --features train`, which \
         includes Burn; trained weights are in models/math"
    )
}

/// Checks the bounds of all functions.
pub(crate) fn verify(arguments: &VerifyMathArguments) -> anyhow::Result<u8> {
    let VerifyMathArguments { weights: folder, check, sample, chart } = arguments;
    let start = Instant::now();
    let mut weights = Weights::read(folder)?;
    let bar = bar(verify::INPUTS, PART_DONE);
    let all = verify::verify(
        &weights.networks,
        sample.unwrap_or(1),
        threads(),
        |inputs| bar.inc(inputs),
        |checked| bar.set_message(format!("{} done", checked.function.name())),
    );
    bar.finish_and_clear();
    let mut stdout = io::stdout().lock();
    for checked in &all {
        tell(&mut stdout, checked)?;
    }
    writeln!(
        stdout,
        "networks {}; errors in units of the last place of the exact value; {:.0} s",
        digest(&weights.networks),
        start.elapsed().as_secs_f64()
    )?;
    if let Some(path) = chart {
        let svg = ncpu_neural_math::verify::chart::chart(&weights.networks);
        std::fs::write(path, svg).with_context(|| path.display().to_string())?;
    }
    let Some(certificate) = verify::certificate(&weights.networks, &all) else {
        tell!("ncpu: {}: a bound does not hold", folder.display());
        return Ok(REFUTED);
    };
    if let Err(changed) = weights.untampered(folder) {
        tell!("ncpu: {changed}");
        return Ok(REFUTED);
    }
    if let Some(step) = sample {
        writeln!(stdout, "this was a sample, of one input in {step}: nothing is certified by it")?;
        return Ok(0);
    }
    if *check {
        for (card, id) in weights.cards.iter().zip(NetworkId::ALL) {
            ensure!(
                card.certificate.as_ref() == Some(&certificate),
                "{} has another certificate than this check gives",
                ncpu_neural_math::weights::path(folder, id).display()
            );
        }
        writeln!(stdout, "the weight files in {} have this certificate", folder.display())?;
        return Ok(0);
    }
    for card in &mut weights.cards {
        card.certificate = Some(certificate.clone());
    }
    weights.write(folder)?;
    writeln!(stdout, "certificate written into the weight files in {}", folder.display())?;
    Ok(0)
}

/// What was found of one function.
fn tell(out: &mut impl Write, checked: &Checked) -> io::Result<()> {
    let finding = &checked.finding;
    writeln!(
        out,
        "{:5} {}  {}: worst {:.4}, bound {}\n      at {}\n      {} inputs: {} ({:.1} s)",
        checked.function.name(),
        if checked.passed() { "PASS" } else { "FAIL" },
        finding.range,
        finding.worst,
        finding.bound,
        finding.at,
        finding.inputs,
        finding.method,
        checked.took.as_secs_f64()
    )
}

/// Evaluates one function.
pub(crate) fn evaluate(arguments: &MathArguments) -> anyhow::Result<u8> {
    let MathArguments { function, arguments, weights: folder, json } = arguments;
    let wanted =
        if *function == Function::Atan2 { "two arguments, y and x" } else { "one argument" };
    let &[first, ref rest @ ..] = &arguments[..] else { anyhow::bail!("an argument is missing") };
    ensure!(
        rest.len() == usize::from(*function == Function::Atan2),
        "{} takes {wanted}",
        function.name()
    );
    let second = rest.first().copied().unwrap_or(0.0);
    let networks = Weights::certified(folder)?;
    let result = networks.evaluate(*function, first, second);
    let exact = exact(*function, first.into(), second.into());
    let error = units(result, exact);
    let mut stdout = io::stdout().lock();
    if *json {
        let object = serde_json::json!({
            "function": function.name(),
            "arguments": arguments,
            "result": result,
            "exact": exact,
            "error_ulp": error,
            "bound_ulp": function.bound(),
        });
        writeln!(stdout, "{object}")?;
    } else {
        writeln!(
            stdout,
            "{result:?}\nexact {exact:?}\nerror {error:.4} units of the last place (bound {})",
            function.bound()
        )?;
    }
    Ok(0)
}
