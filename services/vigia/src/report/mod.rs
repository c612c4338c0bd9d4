//! `vigia report`: how a plan stands, as a page to read, print and send. All of it is asked of the public API as of one
//! instant; nothing in it leads anywhere else, so that it can be kept and read in ten years.

mod chart;
mod delicate;
mod document;
mod gather;
mod html;
mod markdown;
mod sections;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    access::Access,
    institution::{fault::told, write},
    lang::{self, Lang, say},
    output::{self, Usage},
};

pub use gather::{Late, Materials, late};

/// What is asked for.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// plans/vcm o vcm.
    pub plan: String,
    /// Al instante, en hora del plan; ahora si no se dice / as of, in the plan's time; now if left out.
    #[arg(long)]
    pub as_of: Option<String>,
    /// Explica qué cambió desde este instante anterior / explain what changed since this earlier instant.
    #[arg(long, value_name = "AS_OF")]
    pub compare: Option<String>,
    /// Formato; según el archivo si no se dice / by the file's ending if left out.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Archivo; la salida si no se dice / file; standard output if left out.
    #[arg(long, short = 'f')]
    pub file: Option<PathBuf>,
    /// Idioma; el del sistema si no se dice / language; the locale's if left out.
    #[arg(long, value_enum)]
    pub language: Option<Lang>,
    #[command(flatten)]
    pub access: Access,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Texto con tablas / text with tables.
    Markdown,
    /// Una página que se imprime, con gráficos / a page that can be printed, with charts.
    Html,
}

impl Format {
    fn of(args: &Args) -> Result<Self> {
        if let Some(format) = args.format {
            return Ok(format);
        }
        let Some(file) = &args.file else { return Ok(Self::Markdown) };
        let ending = file.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match ending.as_str() {
            "html" | "htm" => Ok(Self::Html),
            "md" | "markdown" | "txt" => Ok(Self::Markdown),
            _ => Err(Usage::of(told(
                format!(
                    "{}: se escribe .md o .html; un .html se abre en el navegador y se imprime como PDF",
                    file.display()
                ),
                format!(
                    "{}: .md or .html can be written; an .html opens in a browser, which prints it as PDF",
                    file.display()
                ),
            ))),
        }
    }
}

/// Runs the command.
pub async fn run(args: &Args, json: bool) -> Result<()> {
    let format = Format::of(args)?;
    let principal = args.access.principal().await?;
    let materials = Materials::gather(&principal, &args.plan, args.as_of.as_deref(), args.compare.as_deref()).await?;
    if json {
        return output::json(&materials.value()?);
    }
    let document = sections::document(&materials, args.language.unwrap_or_else(lang::lang));
    let text = match format {
        Format::Markdown => markdown::text(&document),
        Format::Html => html::page(&document),
    };
    match &args.file {
        None => output::line(&text),
        Some(path) => {
            write::save(path, text.as_bytes())?;
            output::line(&format!("{}: {}", say("escrito", "written"), path.display()));
        }
    }
    Ok(())
}
