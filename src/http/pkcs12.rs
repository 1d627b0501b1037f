//! PKCS#12 files (RFC 7292): certificates and a private key under one password, as Windows, OpenSSL and
//! key vaults export them. Read only, in DER.

use std::num::NonZeroU32;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, KeyIvInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use x509_parser::parse_x509_certificate;

/// A private key in one of the forms in which files hold RSA keys.
pub(crate) enum PrivateKey {
    Pkcs1(Vec<u8>),
    Pkcs8(Vec<u8>),
}

/// What such a file holds.
pub(crate) struct Contents {
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) key: Result<PrivateKey, String>,
}

impl Contents {
    /// In PEM form, as TLS wants it: the key, and the certificates with the one that signed no other first.
    pub(crate) fn into_pem(self) -> Result<String, String> {
        let (label, key) = match self.key? {
            PrivateKey::Pkcs1(key) => ("RSA PRIVATE KEY", key),
            PrivateKey::Pkcs8(key) => ("PRIVATE KEY", key),
        };
        let mut certificates: Vec<_> = self
            .certificates
            .iter()
            .filter_map(|der| {
                let (_, certificate) = parse_x509_certificate(der).ok()?;
                let subject = certificate.subject().to_string();
                Some((der, subject, certificate.issuer().to_string()))
            })
            .collect();
        if certificates.is_empty() {
            return Err("the PKCS#12 file holds no certificate".to_owned());
        }
        let issuers: Vec<String> = certificates
            .iter()
            .filter(|(_, subject, issuer)| subject != issuer)
            .map(|(_, _, issuer)| issuer.clone())
            .collect();
        certificates.sort_by_key(|(_, subject, _)| issuers.contains(subject));
        let mut pem = part(label, &key);
        for (der, ..) in certificates {
            pem.push_str(&part("CERTIFICATE", der));
        }
        Ok(pem)
    }
}

fn part(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

const NOT_READABLE: &str = "this is not a PKCS#12 file that can be read";
const WRONG_PASSWORD: &str = "the password of the PKCS#12 file is wrong";
const OLD_CIPHER: &str =
    "the PKCS#12 file is encrypted in a way that is not supported; export it with AES or 3DES";

/// 1.2.840.113549
const RSADSI: [u8; 6] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d];
const DATA: &[u8] = &[1, 7, 1];
const ENCRYPTED_DATA: &[u8] = &[1, 7, 6];
const KEY_BAG: &[u8] = &[1, 12, 10, 1, 1];
const SHROUDED_KEY_BAG: &[u8] = &[1, 12, 10, 1, 2];
const CERTIFICATE_BAG: &[u8] = &[1, 12, 10, 1, 3];
const PBES2: &[u8] = &[1, 5, 13];
const SHA1_3DES: &[u8] = &[1, 12, 1, 3];
const SHA1_RC2_128: &[u8] = &[1, 12, 1, 5];
const SHA1_RC2_40: &[u8] = &[1, 12, 1, 6];
const DES_EDE3_CBC: &[u8] = &[3, 7];
/// 2.16.840.1.101.3.4.1: AES in its modes and key sizes.
const AES: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];
/// 2.16.840.1.101.3.4.2: SHA-2.
const SHA2: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// 1.3.14.3.2.26
const SHA1: [u8; 5] = [0x2b, 0x0e, 0x03, 0x02, 0x1a];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// `[0]`, of a part and of plain bytes.
const TAGGED: u8 = 0xa0;
const TAGGED_BYTES: u8 = 0x80;

/// More rounds than any tool writes.
const MAX_ROUNDS: u32 = 10_000_000;

type Read<T> = Result<T, &'static str>;

pub(crate) fn open(file: &[u8], password: &str) -> Result<Contents, String> {
    read(file, password).map_err(str::to_owned)
}

fn read(file: &[u8], password: &str) -> Read<Contents> {
    let mut pfx = Der(file).part(SEQUENCE)?;
    pfx.take(INTEGER)?;
    let mut safe = pfx.part(SEQUENCE)?;
    if safe.take(OBJECT_ID)? != rsadsi(DATA) {
        return Err("the PKCS#12 file is signed instead of encrypted, which is not supported");
    }
    let content = safe.part(TAGGED)?.take(OCTETS)?;
    let password = Password::new(password);
    if let Ok(mac) = pfx.part(SEQUENCE) {
        check_mac(mac, content, &password)?;
    }
    let mut found = Contents {
        certificates: Vec::new(),
        key: Err("the PKCS#12 file holds no private key".to_owned()),
    };
    let mut parts = Der(content).part(SEQUENCE)?;
    while !parts.is_empty() {
        let mut part = parts.part(SEQUENCE)?;
        let kind = part.take(OBJECT_ID)?;
        let mut value = part.part(TAGGED)?;
        if kind == rsadsi(DATA) {
            read_bags(value.take(OCTETS)?, &password, &mut found)?;
        } else if kind == rsadsi(ENCRYPTED_DATA) {
            let mut encrypted = value.part(SEQUENCE)?;
            encrypted.take(INTEGER)?;
            let mut info = encrypted.part(SEQUENCE)?;
            info.take(OBJECT_ID)?;
            let algorithm = info.part(SEQUENCE)?;
            let plain = decrypt(algorithm, info.take(TAGGED_BYTES)?, &password)?;
            read_bags(&plain, &password, &mut found)?;
        } else {
            return Err(OLD_CIPHER);
        }
    }
    Ok(found)
}

fn read_bags(bags: &[u8], password: &Password, found: &mut Contents) -> Read<()> {
    let mut bags = Der(bags).part(SEQUENCE)?;
    while !bags.is_empty() {
        let mut bag = bags.part(SEQUENCE)?;
        let kind = bag.take(OBJECT_ID)?;
        let mut value = bag.part(TAGGED)?;
        if kind == rsadsi(CERTIFICATE_BAG) {
            let mut certificate = value.part(SEQUENCE)?;
            certificate.take(OBJECT_ID)?;
            let der = certificate.part(TAGGED)?.take(OCTETS)?;
            found.certificates.push(der.to_vec());
        } else if kind == rsadsi(KEY_BAG) {
            found.key = Ok(PrivateKey::Pkcs8(value.0.to_vec()));
        } else if kind == rsadsi(SHROUDED_KEY_BAG) {
            let mut shrouded = value.part(SEQUENCE)?;
            let algorithm = shrouded.part(SEQUENCE)?;
            let key = decrypt(algorithm, shrouded.take(OCTETS)?, password)?;
            found.key = Ok(PrivateKey::Pkcs8(key));
        }
    }
    Ok(())
}

/// The password in the two forms that files use.
struct Password {
    utf8: Vec<u8>,
    /// Two bytes for each character, and two zeros behind them.
    wide: Vec<u8>,
}

impl Password {
    fn new(text: &str) -> Self {
        let wide = text.encode_utf16().chain([0]);
        Self {
            utf8: text.as_bytes().to_vec(),
            wide: wide.flat_map(u16::to_be_bytes).collect(),
        }
    }
}

/// The digests that a file may be sealed with.
fn digest_of(object_id: &[u8]) -> Option<(&'static digest::Algorithm, hmac::Algorithm)> {
    if object_id == SHA1 {
        return Some((
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        ));
    }
    match object_id.strip_prefix(&SHA2)? {
        [1] => Some((&digest::SHA256, hmac::HMAC_SHA256)),
        [2] => Some((&digest::SHA384, hmac::HMAC_SHA384)),
        [3] => Some((&digest::SHA512, hmac::HMAC_SHA512)),
        _ => None,
    }
}

/// A wrong password shows here first.
fn check_mac(mut mac: Der<'_>, content: &[u8], password: &Password) -> Read<()> {
    let mut info = mac.part(SEQUENCE)?;
    let object_id = info.part(SEQUENCE)?.take(OBJECT_ID)?;
    // One of a newer kind is not checked: then the padding of what is encrypted shows it.
    let Some((algorithm, hmac_algorithm)) = digest_of(object_id) else {
        return Ok(());
    };
    let expected = info.take(OCTETS)?;
    let salt = mac.take(OCTETS)?;
    let rounds = if mac.is_empty() { 1 } else { mac.number()? };
    let key = derive(
        algorithm,
        3,
        &password.wide,
        salt,
        rounds,
        algorithm.output_len(),
    );
    let key = hmac::Key::new(hmac_algorithm, &key);
    hmac::verify(&key, content, expected).map_err(|_| WRONG_PASSWORD)
}

fn decrypt(mut algorithm: Der<'_>, encrypted: &[u8], password: &Password) -> Read<Vec<u8>> {
    let object_id = algorithm.take(OBJECT_ID)?;
    let mut parameters = algorithm.part(SEQUENCE)?;
    if object_id == rsadsi(PBES2) {
        return decrypt_pbes2(parameters, encrypted, password);
    }
    let salt = parameters.take(OCTETS)?;
    let rounds = parameters.number()?;
    let derived = |id, length| {
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        derive(sha1, id, &password.wide, salt, rounds, length)
    };
    let iv = derived(2, 8);
    if object_id == rsadsi(SHA1_3DES) {
        cbc::<des::TdesEde3>(&derived(1, 24), &iv, encrypted)
    } else if object_id == rsadsi(SHA1_RC2_128) {
        let cipher = rc2::Rc2::new_with_eff_key_len(&derived(1, 16), 128);
        cbc_with(cipher, &iv, encrypted)
    } else if object_id == rsadsi(SHA1_RC2_40) {
        let cipher = rc2::Rc2::new_with_eff_key_len(&derived(1, 5), 40);
        cbc_with(cipher, &iv, encrypted)
    } else {
        Err(OLD_CIPHER)
    }
}

/// RFC 8018 section 6.2, with PBKDF2.
fn decrypt_pbes2(mut parameters: Der<'_>, encrypted: &[u8], password: &Password) -> Read<Vec<u8>> {
    let mut kdf = parameters.part(SEQUENCE)?;
    if kdf.take(OBJECT_ID)? != rsadsi(&[1, 5, 12]) {
        return Err(OLD_CIPHER);
    }
    let mut kdf = kdf.part(SEQUENCE)?;
    let salt = kdf.take(OCTETS)?;
    let rounds = kdf.number()?;
    // The length of the key follows from the cipher.
    let _ = kdf.take(INTEGER);
    let prf = match kdf.part(SEQUENCE) {
        Ok(mut prf) => {
            let prf = prf.take(OBJECT_ID)?;
            match prf.strip_prefix(&RSADSI) {
                Some([2, 7]) => pbkdf2::PBKDF2_HMAC_SHA1,
                Some([2, 9]) => pbkdf2::PBKDF2_HMAC_SHA256,
                Some([2, 10]) => pbkdf2::PBKDF2_HMAC_SHA384,
                Some([2, 11]) => pbkdf2::PBKDF2_HMAC_SHA512,
                _ => return Err(OLD_CIPHER),
            }
        }
        Err(_) => pbkdf2::PBKDF2_HMAC_SHA1,
    };
    let rounds = NonZeroU32::new(rounds).ok_or(NOT_READABLE)?;
    let derived = |length: usize| {
        let mut key = vec![0; length];
        pbkdf2::derive(prf, rounds, salt, &password.utf8, &mut key);
        key
    };
    let mut cipher = parameters.part(SEQUENCE)?;
    let object_id = cipher.take(OBJECT_ID)?;
    let iv = cipher.take(OCTETS)?;
    match object_id.strip_prefix(&AES) {
        Some([2]) => return cbc::<aes::Aes128>(&derived(16), iv, encrypted),
        Some([22]) => return cbc::<aes::Aes192>(&derived(24), iv, encrypted),
        Some([42]) => return cbc::<aes::Aes256>(&derived(32), iv, encrypted),
        _ => {}
    }
    if object_id == rsadsi(DES_EDE3_CBC) {
        return cbc::<des::TdesEde3>(&derived(24), iv, encrypted);
    }
    Err(OLD_CIPHER)
}

fn cbc<C>(key: &[u8], iv: &[u8], encrypted: &[u8]) -> Read<Vec<u8>>
where
    cbc::Decryptor<C>: KeyIvInit + BlockDecryptMut,
    C: aes::cipher::BlockCipher + aes::cipher::BlockDecryptMut,
{
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| NOT_READABLE)?;
    let plain = decryptor.decrypt_padded_vec_mut::<Pkcs7>(encrypted);
    plain.map_err(|_| WRONG_PASSWORD)
}

/// The same with a cipher that was made before.
fn cbc_with<C>(cipher: C, iv: &[u8], encrypted: &[u8]) -> Read<Vec<u8>>
where
    C: aes::cipher::BlockCipher + aes::cipher::BlockDecryptMut,
    cbc::Decryptor<C>: aes::cipher::InnerIvInit<Inner = C> + BlockDecryptMut,
{
    use aes::cipher::InnerIvInit as _;
    let decryptor =
        cbc::Decryptor::<C>::inner_iv_slice_init(cipher, iv).map_err(|_| NOT_READABLE)?;
    let plain = decryptor.decrypt_padded_vec_mut::<Pkcs7>(encrypted);
    plain.map_err(|_| WRONG_PASSWORD)
}

/// RFC 7292 appendix B.2; `id` is 1 for a key, 2 for an initialization vector and 3 for a seal.
fn derive(
    algorithm: &'static digest::Algorithm,
    id: u8,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    length: usize,
) -> Vec<u8> {
    let block = algorithm.block_len();
    let filled = |text: &[u8]| -> Vec<u8> {
        let length = text.len().div_ceil(block) * block;
        text.iter().copied().cycle().take(length).collect()
    };
    let mut input = filled(salt);
    input.extend(filled(password));
    let mut derived = Vec::with_capacity(length);
    while derived.len() < length {
        let mut context = digest::Context::new(algorithm);
        context.update(&vec![id; block]);
        context.update(&input);
        let mut hash = context.finish();
        for _ in 1..rounds {
            hash = digest::digest(algorithm, hash.as_ref());
        }
        derived.extend_from_slice(hash.as_ref());
        let added: Vec<u8> = hash.as_ref().iter().copied().cycle().take(block).collect();
        for chunk in input.chunks_mut(block) {
            // chunk + added + 1, as numbers whose first byte is the highest.
            let mut carry = 1_u16;
            for (byte, add) in chunk.iter_mut().zip(&added).rev() {
                let [high, low] = (u16::from(*byte) + u16::from(*add) + carry).to_be_bytes();
                (*byte, carry) = (low, u16::from(high));
            }
        }
    }
    derived.truncate(length);
    derived
}

fn rsadsi(rest: &[u8]) -> Vec<u8> {
    [&RSADSI, rest].concat()
}

/// What is left of a part in DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn part(&mut self, tag: u8) -> Read<Der<'a>> {
        self.take(tag).map(Der)
    }

    /// The content of the next element, which must have this tag; else nothing is taken.
    fn take(&mut self, tag: u8) -> Read<&'a [u8]> {
        let [found, first, rest @ ..] = self.0 else {
            return Err(NOT_READABLE);
        };
        if *found != tag {
            return Err(NOT_READABLE);
        }
        let (length, rest) = match usize::from(*first) {
            short @ ..0x80 => (short, rest),
            long => {
                let count = long - 0x80;
                if !(1..=4).contains(&count) || rest.len() < count {
                    return Err(NOT_READABLE);
                }
                let (bytes, rest) = rest.split_at(count);
                let length = bytes
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                (length, rest)
            }
        };
        if rest.len() < length {
            return Err(NOT_READABLE);
        }
        let (content, rest) = rest.split_at(length);
        self.0 = rest;
        Ok(content)
    }

    fn number(&mut self) -> Read<u32> {
        let bytes = self.take(INTEGER)?;
        let bytes = bytes.strip_prefix(&[0]).unwrap_or(bytes);
        if bytes.len() > 4 {
            return Err(NOT_READABLE);
        }
        let number = bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        if number > MAX_ROUNDS {
            return Err(NOT_READABLE);
        }
        Ok(number)
    }
}
