//! Fakes of the stores' ports, kept honest by the contract suites.

mod failing;
mod memory_backend;
mod memory_job_roles;
mod memory_ledger;
mod memory_machines;
mod memory_mapping_store;

pub use failing::{Failing, Fault, When};
pub use memory_backend::MemoryBackend;
pub use memory_job_roles::MemoryJobRoles;
pub use memory_ledger::MemoryLedger;
pub use memory_machines::{MachineCalls, MemoryMachines};
pub use memory_mapping_store::MemoryMappingStore;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mayfly_core::ids::JobKey;
    use mayfly_core::ports::BrokenRecord;

    use super::*;
    use crate::contracts::{self, Damage};

    fn damage(ledger: &MemoryLedger, key: &JobKey, damage: Damage) {
        let record = ledger.records().into_iter().find(|record| record.key == *key).unwrap();
        let is_part = damage == Damage::Part;
        ledger.break_record(BrokenRecord {
            key: key.clone(),
            version: is_part.then_some(record.version),
            runner: record.runner.map(|runner| runner.name).filter(|_| is_part),
            reason: "the test wants it so".to_owned(),
        });
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_memory_ledger_keeps_the_contract() {
        let ledger = Arc::new(MemoryLedger::default());
        contracts::ledger(ledger.clone(), async |key, kind| damage(&ledger, key, kind)).await;
    }

    #[tokio::test]
    async fn the_memory_mapping_store_keeps_the_contract() {
        let store = MemoryMappingStore::default();
        for mapping in contracts::mapping_rows() {
            store.put(mapping);
        }
        contracts::mapping_store(&store).await;
    }

    #[tokio::test]
    async fn the_memory_backend_keeps_the_contract() {
        let gitlab = "http://gitlab.example.com/".parse().unwrap();
        contracts::backend(&MemoryBackend::with_capacity(2), &mayfly_core::mapping::Target::Local, &gitlab)
            .await;
    }

    #[tokio::test]
    async fn the_memory_machines_keep_the_contract() {
        let machines = MemoryMachines::default();
        let read = async |machine: &_| machines.read_assignment(machine);
        contracts::machine_backend(&machines, machines.ec2(), read).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn decorators_without_a_fault_keep_the_contracts() {
        let ledger = Arc::new(Failing::new(MemoryLedger::default()));
        contracts::ledger(ledger.clone(), async |key, kind| damage(ledger.inner(), key, kind)).await;

        let store = Failing::new(MemoryMappingStore::default());
        for mapping in contracts::mapping_rows() {
            store.inner().put(mapping);
        }
        contracts::mapping_store(&store).await;

        let machines = Failing::new(MemoryMachines::default());
        let read = async |machine: &_| machines.inner().read_assignment(machine);
        contracts::machine_backend(&machines, machines.inner().ec2(), read).await;
    }
}
