//! HTTP: nginx, plain and over TLS 1.3, with curl as client. Uploads need nginx's WebDAV module.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use anyhow::Result;

use super::{Contender, Direction, Job, text};
use crate::daemon::Daemon;
use crate::site::Site;
use crate::stage::Stage;
use crate::tools::{CURL, NGINX};

pub(super) fn enlist<'a>(stage: &'a Stage<'a>) -> Result<Vec<Contender<'a>>> {
    let wanted: Vec<_> = [("http-curl", "http"), ("https-curl", "https")]
        .into_iter()
        .filter(|(name, _)| stage.wants(name))
        .collect();
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let Some([nginx, curl]) = stage.find([NGINX, CURL]) else { return Ok(vec![]) };
    let puts = has_webdav(&nginx);
    let folder = stage.site.settings("nginx")?;
    let (plain, tls) = (stage.place.free_address()?, stage.place.free_address()?);
    make_certificate(&folder, plain)?;
    fs::write(folder.join("nginx.conf"), configuration(stage.site, plain, tls, puts))?;
    let server = Rc::new(serve(stage, &text(&nginx), &folder, plain)?);

    let contender = |(name, scheme): (&'static str, &'static str)| {
        let (curl, certificate) = (text(&curl), folder.join("certificate.pem"));
        let address = if scheme == "https" { tls } else { plain };
        let command = move |job: &Job| {
            let mut command = stage.place.client(&curl);
            command.arg("--cacert").arg(&certificate);
            copy(command, job, &format!("{scheme}://{address}/{}", job.remote()))
                .filter(|_| puts || job.direction != Direction::Put)
        };
        Contender { name, server: Some(server.clone()), command: Box::new(command) }
    };
    Ok(wanted.into_iter().map(contender).collect())
}

/// Completes a command of curl for a file.
pub(super) fn copy(mut curl: Command, job: &Job, url: &str) -> Option<Command> {
    curl.args(["--disable", "--silent", "--show-error", "--fail", "--noproxy", "*"]);
    match job.direction {
        Direction::Get => curl.arg("--output").arg(&job.target),
        Direction::Put => curl.arg("--upload-file").arg(&job.source),
        Direction::List | Direction::MirrorDown | Direction::MirrorUp => return None,
    };
    curl.arg(url);
    (!job.is_folder).then_some(curl)
}

fn has_webdav(nginx: &Path) -> bool {
    let output = Command::new(nginx).arg("-V").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("http_dav_module"))
}

fn make_certificate(folder: &Path, address: SocketAddr) -> Result<()> {
    let made = rcgen::generate_simple_self_signed([address.ip().to_string()])?;
    fs::write(folder.join("certificate.pem"), made.cert.pem())?;
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}

fn serve(stage: &Stage<'_>, nginx: &str, folder: &Path, plain: SocketAddr) -> Result<Daemon> {
    let mut command = stage.place.server(nginx);
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c", "nginx.conf"]);
    Daemon::start("nginx", command, &stage.site.logs(), stage.place, plain)
}

fn configuration(site: &Site, plain: SocketAddr, tls: SocketAddr, puts: bool) -> String {
    let (root, staging) = (text(&site.served()), text(&site.staging()));
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let uploads = if puts {
        format!("dav_methods PUT; client_max_body_size 0; client_body_temp_path {staging};")
    } else {
        String::new()
    };
    let paths: String =
        ["proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};\n")).concat();
    format!(
        "{user}\ndaemon off;\nworker_processes auto;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\n{paths}{uploads}\nroot {root};\n\
         server {{ listen {plain}; }}\n\
         server {{\nlisten {tls} ssl;\nssl_certificate certificate.pem;\nssl_certificate_key key.pem;\n\
         ssl_protocols TLSv1.3;\nssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n}}\n}}\n"
    )
}
