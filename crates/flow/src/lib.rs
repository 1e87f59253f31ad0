//! Edge table, leases, scheduler, courier: the one orchestration.
