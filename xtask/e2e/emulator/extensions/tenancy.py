"""Tenant isolation of functions (TenancyConfig, TenantIsolationMode PER_TENANT).

Lambda refuses an invocation of such a function that names no tenant, and one of another function that names one; it tells the
function its tenant; and an execution environment never serves two tenants. The emulator knows none of it.
"""

import contextvars

from ministack.core import lambda_runtime
from ministack.core.responses import error_response_json
from ministack.services import lambda_svc

HEADER = "x-amz-tenant-id"

tenant_of_request: contextvars.ContextVar[str | None] = contextvars.ContextVar("tenant", default=None)


def install() -> None:
    invoke = lambda_svc._invoke
    acquire = lambda_svc.acquire_worker
    build_handler = lambda_runtime.ProvidedWorker._build_handler_class
    worker_key = lambda_runtime._worker_key
    invalidate = lambda_runtime.invalidate_worker

    async def invoke_as_tenant(name: str, event, headers: dict, *rest, **named):
        tenant = next((value for key, value in headers.items() if key.lower() == HEADER), None)
        function = lambda_svc._functions.get(name)
        if function is not None and (refusal := objection(function["config"], tenant)):
            return error_response_json("InvalidParameterValueException", refusal, 400)
        token = tenant_of_request.set(tenant)
        try:
            return await invoke(name, event, headers, *rest, **named)
        finally:
            tenant_of_request.reset(token)

    def key_with_tenant(function_name: str, config: dict, qualifier: str) -> str:
        key = worker_key(function_name, config, qualifier)
        tenant = tenant_of_request.get() if is_isolated(config) else None
        return key if tenant is None else f"{key}:tenant:{tenant}"

    def acquire_for_tenant(function_name: str, config: dict, *rest, **named):
        worker, reason = acquire(function_name, config, *rest, **named)
        if worker is not None and is_isolated(config):
            worker.mayfly_tenant = tenant_of_request.get()
        return worker, reason

    def invalidate_all_tenants(function_name: str, qualifier=None, account=None, region=None) -> None:
        invalidate(function_name, qualifier=qualifier, account=account, region=region)
        with lambda_runtime._lock:
            keys = [key for key in lambda_runtime._workers if ":tenant:" in key and key.split(":")[2] == function_name]
            workers = [worker for key in keys for worker in lambda_runtime._workers.pop(key)]
        lambda_runtime.kill_workers(workers)

    def build_handler_with_tenant(worker, *rest):
        class WithTenant(build_handler(worker, *rest)):
            def send_header(self, name: str, value: str) -> None:
                super().send_header(name, value)
                tenant = getattr(worker, "mayfly_tenant", None)
                if name == "Lambda-Runtime-Aws-Request-Id" and tenant is not None:
                    super().send_header("Lambda-Runtime-Aws-Tenant-Id", tenant)

        return WithTenant

    lambda_svc._invoke = invoke_as_tenant
    lambda_runtime._worker_key = key_with_tenant
    lambda_svc.acquire_worker = acquire_for_tenant
    lambda_svc.invalidate_worker = invalidate_all_tenants
    lambda_runtime.ProvidedWorker._build_handler_class = build_handler_with_tenant


def is_isolated(config: dict) -> bool:
    return (config.get("TenancyConfig") or {}).get("TenantIsolationMode") == "PER_TENANT"


def objection(config: dict, tenant: str | None) -> str | None:
    if is_isolated(config) and not tenant:
        return "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again."
    if not is_isolated(config) and tenant:
        return "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again."
    return None
