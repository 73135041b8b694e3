//! `fatld extract --isa ISA IMAGE -o FILE`.

use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Problem};
use crate::write::Pending;
use crate::{extract, image};

/// Arguments of `fatld extract`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The image
    image: PathBuf,
    /// The ISA, as the image names it
    #[arg(long)]
    isa: String,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes one ISA's file.
pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let map = super::open(&arguments.image)?;
    let file = arguments.image.display().to_string();
    let image = image::read(&file, &map)?;
    let isa = image.isas.iter().position(|isa| isa.name == arguments.isa);
    let Some(isa) = isa else {
        let known: Vec<_> = image.isas.iter().map(|isa| isa.name).collect();
        let known = known.join(", ");
        return Err(Problem::Usage(format!("--isa {}: {file} has {known}", arguments.isa)).into());
    };
    let planned = extract::extract(&image, isa);
    if planned.names_overflow() {
        return Err(Problem::Output {
            file: arguments.output.clone(),
            reason: "the names of its symbols take more than 4 GiB".to_owned(),
        }
        .into());
    }
    let mut file = Pending::new(&arguments.output, planned.size(), true)?;
    planned.write(file.bytes_mut());
    file.publish()
}
