//! The rules of check `stacks`.

/// A Lambda function: a program that is shipped as one zip file.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// What must not be linked into it, and why.
    pub(super) never: &'static [(&'static str, &'static str)],
}

/// The functions; those that are not there yet are passed over.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "mayfly-webhook",
        never: &[
            ("aws-sdk-dynamodb", WEBHOOK_CALLS),
            ("aws-sdk-ec2", NO_EC2),
            ("aws-sdk-lambda", WEBHOOK_CALLS),
            ("reqwest", WEBHOOK_CALLS),
        ],
    },
    Function { name: "mayfly-dispatcher", never: &[] },
    Function { name: "mayfly-reconciler", never: &[] },
    Function { name: "mayfly-shell-runner", never: &[("aws-sdk-ec2", NO_EC2)] },
];

/// What every function has in exactly one version.
pub(super) const EXACTLY_ONE: &[&str] = &["http", "hyper", "ring", "rustls", "tokio", "tokio-rustls"];

/// What no function has.
pub(super) const IN_NO_FUNCTION: &[(&str, &str)] = &[
    ("aws-config", "credentials and region are in the environment of a function, and nowhere else"),
    ("aws-lc-rs", RING),
    ("aws-lc-sys", RING),
    ("mayfly-standins", "stand-ins are for tests"),
    ("native-tls", RUSTLS),
    ("openssl", RUSTLS),
    ("openssl-sys", RUSTLS),
];

const RING: &str = "ring does the cryptography, and aws-lc's first random bytes take 20 ms of CPU";
const RUSTLS: &str = "rustls does TLS";
const WEBHOOK_CALLS: &str = "it calls Parameter Store and EventBridge only";
const NO_EC2: &str = "only dispatcher and reconciler deal with machines";
