//! Fakes of the ports, kept honest by the contract suites.
