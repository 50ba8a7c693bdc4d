"""Names under which logs hold canonical fields, best first: what `infer` looks for.

A name matches a path whose words are these, or end in these (`body.usage.prompt_tokens` ends in `prompt_tokens`).
"""

LIKELY: dict[str, tuple[str, ...]] = {
    "source_record_id": ("source_record_id", "record_id", "request_id", "call_id", "log_id", "event_id", "uuid",
                         "response_id", "completion_id", "id"),
    "start_time": ("start_time", "started_at", "request_time", "requested_at", "timestamp", "created_at", "created",
                   "datetime", "time", "ts", "at", "date"),
    "end_time": ("end_time", "ended_at", "finished_at", "completed_at", "response_time"),
    "call_id": ("call_id", "response_id", "completion_id", "x_request_id", "request_id", "correlation_id"),
    "account_id": ("account_id", "customer_id", "tenant_id", "account", "customer", "tenant", "user_id", "subject"),
    "org_id": ("org_id", "organization_id", "organisation_id", "organization", "org", "team_id", "team"),
    "api_key_id": ("api_key_id", "api_key_hash", "key_hash", "key_id", "virtual_key"),
    "end_user_id": ("end_user_id", "end_user", "safety_identifier", "external_user"),
    "conversation_id": ("conversation_id", "session_id", "thread_id", "chat_id"),
    "operation_name": ("operation_name", "operation", "call_type", "request_type"),
    "provider_name": ("provider_name", "provider", "vendor"),
    "request_model": ("request_model", "requested_model", "model_name", "model_id", "model", "deployment"),
    "response_model": ("response_model", "served_model"),
    "response_id": ("response_id", "completion_id"),
    "status": ("status", "outcome", "result"),
    "http_status_code": ("http_status_code", "http_status", "status_code", "response_code", "status"),
    "error_type": ("error_type", "error_class", "error_code"),
    "input_tokens": ("input_tokens", "prompt_tokens", "tokens_in", "input_token_count", "prompt_token_count"),
    "output_tokens": ("output_tokens", "completion_tokens", "tokens_out", "output_token_count"),
    "reasoning_output_tokens": ("reasoning_output_tokens", "reasoning_tokens"),
    "cache_read_input_tokens": ("cache_read_input_tokens", "cached_tokens", "cache_read_tokens", "cache_read"),
    "cache_creation_input_tokens": ("cache_creation_input_tokens", "cache_write_tokens", "cache_write"),
    "request_max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens"),
    "request_temperature": ("temperature",),
    "request_top_p": ("top_p",),
    "request_stream": ("stream", "streaming", "is_streaming"),
    "finish_reasons": ("finish_reasons", "finish_reason", "stop_reason"),
    "client_address": ("client_address", "client_ip", "remote_addr", "remote_address", "remote_ip", "ip_address",
                       "source_ip", "ip"),
    "user_agent_original": ("user_agent_original", "user_agent"),
    "tls_client_ja3": ("tls_client_ja3", "ja3"),
    "tls_client_ja4": ("tls_client_ja4", "ja4"),
    "cloud_region": ("cloud_region", "region"),
    "prompt": ("prompt", "messages", "user_message", "question", "query", "input"),
    "system_instructions": ("system_instructions", "system_prompt", "instructions", "system", "messages"),
    "tool_definitions": ("tool_definitions", "tools", "functions"),
    "output": ("output", "completion", "answer", "reply", "choices", "response"),
}  # fmt: skip

TAKES = {"prompt": "prompt", "system_instructions": "system", "tool_definitions": "json", "output": "output"}
"""Fields of text -> what is taken of a structure."""

STATUS_WORDS = {
    "ok": "ok", "success": "ok", "succeeded": "ok", "completed": "ok", "error": "error", "failure": "error",
    "failed": "error", "timeout": "error", "blocked": "blocked", "denied": "blocked", "rejected": "blocked",
    "cancelled": "cancelled", "canceled": "cancelled", "aborted": "cancelled",
}  # fmt: skip
"""What logs write for the status of a call -> ours."""
