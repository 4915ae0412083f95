//! What do the certificates say of whom they are issued to?

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
};

use super::kept::Note;

pub(super) fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "outrigger-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

pub(super) fn server_params(note: &Note) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(note.names.clone())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "outrigger");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

pub(super) fn admin_params(_note: &Note) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    params
        .distinguished_name
        .push(DnType::CommonName, "outrigger-admin");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

pub(super) fn server_names(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ["127.0.0.1", "::1", "localhost"]
        .map(str::to_owned)
        .to_vec();
    for name in names {
        // The address "all of them" is none that a client could use.
        let names_nothing = name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_unspecified());
        if !name.is_empty() && !names_nothing && !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

pub(super) fn validity(params: &mut CertificateParams, not_before_s: u64, not_after_s: u64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(not_before_s);
    params.not_after = epoch + Duration::from_secs(not_after_s);
}
