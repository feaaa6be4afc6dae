//! Whether a delivery is authentic. The body is taken in pieces, so that nobody has to keep a large one.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::header::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::secrets::{HmacSha256, SignaturePolicy, WebhookSecrets};

const TOKEN: &str = "x-gitlab-token";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// How far a delivery's time may be from ours, in seconds. The libraries of the Standard Webhooks project use the same.
const TOLERANCE_SECONDS: i64 = 300;

/// Why a delivery is not authentic; for the log, not for the sender. Never says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthentic {
    /// No secret token came, and no signature that could stand in for it.
    #[error("the header X-Gitlab-Token is missing")]
    MissingToken,
    /// A secret token came that is none of ours.
    #[error("the secret token in X-Gitlab-Token is wrong")]
    WrongToken,
    /// A signature is needed. GitLab sends one from 19.0 on, if the webhook has a signing token.
    #[error("the header webhook-signature is missing")]
    MissingSignature,
    /// None of the signatures was made with one of our signing tokens over this body.
    #[error("the signature in webhook-signature is wrong")]
    WrongSignature,
    /// Only signatures of versions that are unknown here came.
    #[error("the header webhook-signature has no signature of version v1")]
    UnknownSignatureVersion,
    /// A header is there twice, is needed and missing, or is not in its form.
    #[error("the header {0} is missing, repeated or malformed")]
    MalformedHeader(&'static str),
    /// The delivery is too old: perhaps a recorded one.
    #[error("the delivery was signed {seconds} s ago, which is more than {TOLERANCE_SECONDS} s")]
    Stale {
        /// How old it is.
        seconds: i64,
    },
    /// The delivery is from the future: one of the clocks is wrong.
    #[error("the delivery was signed {seconds} s in the future, which is more than {TOLERANCE_SECONDS} s")]
    Future {
        /// How far ahead its time is.
        seconds: i64,
    },
}

/// A delivery whose headers are in order. It is authentic once [`finish`](Self::finish) says so, and not before.
#[must_use = "a delivery is authentic only if `finish` says so"]
pub struct BodyCheck(State);

enum State {
    /// The secret token was right: the body does not matter.
    Accepted,
    /// The body decides. One running code for each signing token.
    Signed { codes: Vec<HmacSha256>, signatures: Vec<[u8; 32]> },
}

impl WebhookSecrets {
    /// Checks everything that can be known without the body. `headers` are the request's, `now` is the present moment.
    ///
    /// Fails at once where no body could make the delivery authentic.
    pub fn begin(&self, headers: &HeaderMap, now: Timestamp) -> Result<BodyCheck, Unauthentic> {
        let Err(refusal) = self.check_token(headers) else { return Ok(BodyCheck(State::Accepted)) };
        if self.signing_keys.is_empty() || !headers.contains_key(SIGNATURE) {
            return Err(refusal);
        }
        let signatures = read_signatures(required(headers, SIGNATURE)?)?;
        let id = required(headers, ID)?;
        let timestamp = required(headers, TIMESTAMP)?;
        check_time(timestamp, now)?;
        let mut codes = self.signing_keys.clone();
        for code in &mut codes {
            for part in [id.as_bytes(), b".", timestamp.as_bytes(), b"."] {
                code.update(part);
            }
        }
        Ok(BodyCheck(State::Signed { codes, signatures }))
    }

    /// [`begin`](Self::begin), [`update`](BodyCheck::update) and [`finish`](BodyCheck::finish) for a body that is
    /// there as a whole.
    pub fn authenticate(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), Unauthentic> {
        let mut check = self.begin(headers, now)?;
        check.update(body);
        check.finish()
    }

    /// Whether the secret token alone makes the delivery authentic.
    fn check_token(&self, headers: &HeaderMap) -> Result<(), Unauthentic> {
        let may_decide = self.signing_keys.is_empty() || self.policy == SignaturePolicy::Optional;
        if self.token_digests.is_empty() || !may_decide {
            return Err(Unauthentic::MissingSignature);
        }
        let token = at_most_one(headers, TOKEN)?.ok_or(Unauthentic::MissingToken)?;
        // Digests are compared because they have one length; all of them, so that the time tells nothing.
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let is_known =
            self.token_digests.iter().fold(Choice::from(0), |known, ours| known | ours.ct_eq(&digest));
        if is_known.into() { Ok(()) } else { Err(Unauthentic::WrongToken) }
    }
}

impl BodyCheck {
    /// Takes the next piece of the raw body, exactly as it was received.
    pub fn update(&mut self, piece: &[u8]) {
        if let State::Signed { codes, .. } = &mut self.0 {
            for code in codes {
                code.update(piece);
            }
        }
    }

    /// The verdict, after the last piece.
    pub fn finish(self) -> Result<(), Unauthentic> {
        let State::Signed { codes, signatures } = self.0 else { return Ok(()) };
        let mut is_known = Choice::from(0);
        for code in codes {
            let expected: [u8; 32] = code.finalize().into_bytes().into();
            for signature in &signatures {
                is_known |= expected.ct_eq(signature);
            }
        }
        if is_known.into() { Ok(()) } else { Err(Unauthentic::WrongSignature) }
    }
}

impl fmt::Debug for BodyCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            State::Accepted => "BodyCheck(accepted)",
            State::Signed { .. } => "BodyCheck(signed)",
        })
    }
}

fn at_most_one<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a HeaderValue>, Unauthentic> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Unauthentic::MalformedHeader(name)),
    }
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a HeaderValue, Unauthentic> {
    at_most_one(headers, name)?.filter(|value| !value.is_empty()).ok_or(Unauthentic::MalformedHeader(name))
}

/// Reads `v1,<base64> v1,<base64> …`. Other versions are skipped: a sender may offer several.
fn read_signatures(header: &HeaderValue) -> Result<Vec<[u8; 32]>, Unauthentic> {
    let malformed = Unauthentic::MalformedHeader(SIGNATURE);
    let text = header.to_str().map_err(|_| malformed)?;
    let mut known = text.split_ascii_whitespace().filter_map(|entry| entry.strip_prefix("v1,")).peekable();
    if known.peek().is_none() {
        return Err(Unauthentic::UnknownSignatureVersion);
    }
    let signatures: Vec<[u8; 32]> =
        known.filter_map(|encoded| STANDARD.decode(encoded).ok()?.try_into().ok()).collect();
    if signatures.is_empty() { Err(malformed) } else { Ok(signatures) }
}

fn check_time(timestamp: &HeaderValue, now: Timestamp) -> Result<(), Unauthentic> {
    let seconds: i64 = timestamp
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(Unauthentic::MalformedHeader(TIMESTAMP))?;
    let age = now.as_second().saturating_sub(seconds);
    if age > TOLERANCE_SECONDS {
        Err(Unauthentic::Stale { seconds: age })
    } else if age < -TOLERANCE_SECONDS {
        Err(Unauthentic::Future { seconds: age.saturating_neg() })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::KeyInit;
    use proptest::prelude::*;
    use secrecy::SecretString;

    const OLD_TOKEN: &str = "old secret token";
    const TOKEN_NOW: &str = "secret token";
    /// The key is `test` eight times. The signature below was computed with two other implementations.
    const SIGNING_TOKEN: &str = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=";
    const OTHER_SIGNING_TOKEN: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const WEBHOOK_ID: &str = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f";
    const SIGNED_AT: i64 = 1_744_578_123;
    const BODY: &[u8] = br#"{"object_kind":"build","build_id":1977,"build_status":"pending"}"#;
    const GOOD: &str = "v1,mDPaUN5vaz499R9VF8mrgvzCkGPt7BDAqKDUTKpzmtc=";
    const WRONG: &str = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn now() -> Timestamp {
        Timestamp::from_second(SIGNED_AT + 1).unwrap()
    }

    fn secrets(tokens: &[&str], signing: &[&str], policy: SignaturePolicy) -> WebhookSecrets {
        let all = |texts: &[&str]| texts.iter().map(|text| SecretString::from(*text)).collect();
        WebhookSecrets::new(all(tokens), all(signing), policy).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn signed(signature: &str) -> HeaderMap {
        headers(&[(ID, WEBHOOK_ID), (TIMESTAMP, &SIGNED_AT.to_string()), (SIGNATURE, signature)])
    }

    fn signed_and_token(signature: &str, token: &str) -> HeaderMap {
        let mut headers = signed(signature);
        headers.insert(TOKEN, token.parse().unwrap());
        headers
    }

    #[test]
    fn a_secret_token_is_right_or_the_delivery_is_refused_before_its_body() {
        let secrets = secrets(&[TOKEN_NOW, OLD_TOKEN], &[], SignaturePolicy::Required);
        let check = |headers: &[(&'static str, &str)], verdict: Result<(), Unauthentic>| {
            let headers = self::headers(headers);
            assert_eq!(secrets.begin(&headers, now()).map(|_| ()), verdict, "{headers:?}");
            assert_eq!(secrets.authenticate(&headers, b"anything", now()), verdict);
        };
        check(&[(TOKEN, TOKEN_NOW)], Ok(()));
        check(&[(TOKEN, OLD_TOKEN)], Ok(()));
        check(&[(TOKEN, TOKEN_NOW), (SIGNATURE, WRONG)], Ok(()));
        check(&[], Err(Unauthentic::MissingToken));
        check(&[(SIGNATURE, GOOD)], Err(Unauthentic::MissingToken));
        check(&[(TOKEN, "")], Err(Unauthentic::WrongToken));
        check(&[(TOKEN, "secret toke")], Err(Unauthentic::WrongToken));
        check(&[(TOKEN, "secret token ")], Err(Unauthentic::WrongToken));
        check(&[(TOKEN, "Secret Token")], Err(Unauthentic::WrongToken));
    }

    #[test]
    fn a_header_that_comes_twice_is_refused() {
        let check = |secrets: WebhookSecrets, mut headers: HeaderMap, name: &'static str| {
            let again = headers[name].clone();
            headers.append(name, again);
            assert_eq!(
                secrets.authenticate(&headers, BODY, now()),
                Err(Unauthentic::MalformedHeader(name)),
                "{name}"
            );
        };
        for name in [SIGNATURE, ID, TIMESTAMP] {
            check(secrets(&[], &[SIGNING_TOKEN], SignaturePolicy::Required), signed(GOOD), name);
        }
        let token = headers(&[(TOKEN, TOKEN_NOW)]);
        check(secrets(&[TOKEN_NOW], &[], SignaturePolicy::Required), token, TOKEN);
    }

    #[test]
    fn the_known_signature_is_right_over_its_body_and_wrong_over_any_other() {
        let secrets = secrets(&[], &[SIGNING_TOKEN], SignaturePolicy::Required);
        assert_eq!(secrets.authenticate(&signed(GOOD), BODY, now()), Ok(()));
        let mut longer = BODY.to_vec();
        longer.push(b'\n');
        for body in [&longer[..], &BODY[1..], b""] {
            assert_eq!(
                secrets.authenticate(&signed(GOOD), body, now()),
                Err(Unauthentic::WrongSignature),
                "{body:?}"
            );
        }
    }

    #[test]
    fn the_signature_covers_the_id_and_the_time() {
        let secrets = secrets(&[], &[SIGNING_TOKEN], SignaturePolicy::Required);
        for (name, value) in [(ID, "another"), (TIMESTAMP, "1744578124"), (TIMESTAMP, "01744578123")] {
            let mut headers = signed(GOOD);
            headers.insert(name, value.parse().unwrap());
            let verdict = secrets.authenticate(&headers, BODY, now());
            assert_eq!(verdict, Err(Unauthentic::WrongSignature), "{name}: {value}");
        }
    }

    #[test]
    fn any_of_several_signatures_and_any_of_two_signing_tokens_will_do() {
        for signing in [&[SIGNING_TOKEN][..], &[OTHER_SIGNING_TOKEN, SIGNING_TOKEN]] {
            let secrets = secrets(&[], signing, SignaturePolicy::Required);
            let check = |header: &str, verdict: Result<(), Unauthentic>| {
                assert_eq!(secrets.authenticate(&signed(header), BODY, now()), verdict, "{header}");
            };
            check(GOOD, Ok(()));
            check(&format!("{WRONG} {GOOD}"), Ok(()));
            check(&format!("v2,whatever  v1a,AAAA {GOOD} {WRONG}"), Ok(()));
            check(&format!("v1,short {GOOD}"), Ok(()));
            check(WRONG, Err(Unauthentic::WrongSignature));
            check("v1,short", Err(Unauthentic::MalformedHeader(SIGNATURE)));
            check("v1,", Err(Unauthentic::MalformedHeader(SIGNATURE)));
            check("", Err(Unauthentic::MalformedHeader(SIGNATURE)));
            check("v2,whatever", Err(Unauthentic::UnknownSignatureVersion));
            check(GOOD.trim_start_matches("v1,"), Err(Unauthentic::UnknownSignatureVersion));
        }
    }

    #[test]
    fn a_delivery_five_minutes_from_now_is_the_last_that_is_taken() {
        let secrets = secrets(&[], &[SIGNING_TOKEN], SignaturePolicy::Required);
        let check = |age: i64, verdict: Result<(), Unauthentic>| {
            let now = Timestamp::from_second(SIGNED_AT + age).unwrap();
            assert_eq!(secrets.begin(&signed(GOOD), now).map(|_| ()), verdict);
        };
        check(300, Ok(()));
        check(-300, Ok(()));
        check(301, Err(Unauthentic::Stale { seconds: 301 }));
        check(-301, Err(Unauthentic::Future { seconds: 301 }));
    }

    #[test]
    fn a_time_that_is_no_number_of_seconds_is_refused() {
        let secrets = secrets(&[], &[SIGNING_TOKEN], SignaturePolicy::Required);
        for time in ["", "soon", "-1744578123", "+1744578123", "1744578123.0", "99999999999999999999"] {
            let mut headers = signed(GOOD);
            headers.insert(TIMESTAMP, time.parse().unwrap());
            let verdict = secrets.authenticate(&headers, BODY, now());
            assert_eq!(verdict, Err(Unauthentic::MalformedHeader(TIMESTAMP)), "{time}");
        }
        for missing in [ID, TIMESTAMP] {
            let mut headers = signed(GOOD);
            headers.remove(missing);
            let verdict = secrets.authenticate(&headers, BODY, now());
            assert_eq!(verdict, Err(Unauthentic::MalformedHeader(missing)));
        }
    }

    #[test]
    fn with_both_kinds_the_policy_says_which_one_decides() {
        use SignaturePolicy::{Optional, Required};
        let check = |policy, headers: HeaderMap, verdict: Result<(), Unauthentic>| {
            let secrets = secrets(&[TOKEN_NOW], &[SIGNING_TOKEN], policy);
            assert_eq!(secrets.authenticate(&headers, BODY, now()), verdict, "{policy:?} {headers:?}");
        };
        let token = |value| headers(&[(TOKEN, value)]);
        check(Required, signed(GOOD), Ok(()));
        check(Required, signed_and_token(GOOD, "wrong"), Ok(()));
        check(Required, signed_and_token(WRONG, TOKEN_NOW), Err(Unauthentic::WrongSignature));
        check(Required, token(TOKEN_NOW), Err(Unauthentic::MissingSignature));
        check(Required, headers(&[]), Err(Unauthentic::MissingSignature));
        check(Optional, signed(GOOD), Ok(()));
        check(Optional, signed_and_token(GOOD, "wrong"), Ok(()));
        check(Optional, token(TOKEN_NOW), Ok(()));
        check(Optional, signed_and_token(WRONG, "wrong"), Err(Unauthentic::WrongSignature));
        check(Optional, token("wrong"), Err(Unauthentic::WrongToken));
        check(Optional, headers(&[]), Err(Unauthentic::MissingToken));
    }

    #[test]
    fn without_a_secret_token_an_optional_signature_is_needed_all_the_same() {
        let secrets = secrets(&[], &[SIGNING_TOKEN], SignaturePolicy::Optional);
        assert_eq!(secrets.authenticate(&signed(GOOD), BODY, now()), Ok(()));
        for headers in [headers(&[]), headers(&[(TOKEN, "")]), headers(&[(TOKEN, SIGNING_TOKEN)])] {
            assert_eq!(secrets.authenticate(&headers, BODY, now()), Err(Unauthentic::MissingSignature));
        }
    }

    proptest! {
        #[test]
        fn a_body_in_pieces_is_signed_as_the_whole(body: Vec<u8>, cuts in prop::collection::vec(0..100_usize, 0..5)) {
            let secrets = secrets(&[], &[OTHER_SIGNING_TOKEN, SIGNING_TOKEN], SignaturePolicy::Required);
            let mut code = HmacSha256::new_from_slice(b"testtesttesttesttesttesttesttest").unwrap();
            code.update(format!("{WEBHOOK_ID}.{SIGNED_AT}.").as_bytes());
            code.update(&body);
            let signature = format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()));
            let mut check = secrets.begin(&signed(&signature), now()).unwrap();
            let mut rest = &body[..];
            for cut in cuts {
                let (piece, later) = rest.split_at(cut.min(rest.len()));
                check.update(piece);
                rest = later;
            }
            check.update(rest);
            prop_assert_eq!(check.finish(), Ok(()));
        }

        #[test]
        fn any_headers_are_refused_without_a_panic(
            token: Vec<u8>, id: Vec<u8>, time: Vec<u8>, signature: Vec<u8>, body: Vec<u8>,
        ) {
            let secrets = secrets(&[TOKEN_NOW], &[SIGNING_TOKEN], SignaturePolicy::Optional);
            let mut headers = HeaderMap::new();
            for (name, value) in [(TOKEN, token), (ID, id), (TIMESTAMP, time), (SIGNATURE, signature)] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.insert(name, value);
                }
            }
            prop_assert!(secrets.authenticate(&headers, &body, now()).is_err());
        }
    }
}
