"""Attribute names of model calls in OpenTelemetry data -> RAW_RECORDS columns: the one table of aliases.

Official GenAI conventions first, then what OpenLLMetry (traceloop), OpenInference, SDKs and older releases write. The
first name that is present wins. A renamed attribute is one more entry here.
"""

ALIASES: dict[str, tuple[str, ...]] = {
    "operation_name": ("gen_ai.operation.name", "llm.request.type"),
    "provider_name": ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
    "request_model": ("gen_ai.request.model", "llm.request.model", "langfuse.observation.model.name"),
    "response_model": ("gen_ai.response.model", "llm.response.model", "llm.model_name", "embedding.model_name"),
    "response_id": ("gen_ai.response.id", "llm.response.id"),
    "conversation_id": ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id"),
    "end_user_id": ("enduser.id", "gen_ai.user", "llm.user", "traceloop.association.properties.user_id"),
    "http_status_code": ("http.response.status_code", "http.status_code"),
    "error_type": ("error.type", "exception.type"),
    "input_tokens": (
        "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens", "llm.token_count.prompt",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "reasoning_output_tokens": (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens", "gen_ai.usage.reasoning_output_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "cache_read_input_tokens": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_creation_input_tokens": (
        "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write",
    ),
    "request_max_tokens": ("gen_ai.request.max_tokens", "llm.request.max_tokens"),
    "request_temperature": ("gen_ai.request.temperature", "llm.temperature"),
    "request_top_p": ("gen_ai.request.top_p", "llm.top_p"),
    "request_stream": ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming"),
    "finish_reasons": (
        "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "anthropic.message.stop_reason",
        "llm.response.finish_reason", "llm.finish_reason",
    ),
    "client_address": ("client.address", "http.client_ip"),
    "user_agent_original": ("user_agent.original", "http.user_agent"),
    "tls_client_ja3": ("tls.client.ja3",),
    "tls_client_ja4": ("tls.client.ja4",),
    "server_address": ("server.address", "net.peer.name"),
    "cloud_region": ("cloud.region",),
}  # fmt: skip

INPUT_MESSAGES = ("gen_ai.input.messages", "langfuse.observation.input")
OUTPUT_MESSAGES = ("gen_ai.output.messages", "langfuse.observation.output")
SYSTEM_INSTRUCTIONS = ("gen_ai.system_instructions",)
TOOL_DEFINITIONS = ("gen_ai.tool.definitions",)
REQUEST_PARAMETERS = ("llm.invocation_parameters", "langfuse.observation.model.parameters")
REPLY_BODY = ("output.value",)
USAGE_DETAILS = ("langfuse.observation.usage_details",)
"""Attributes that hold JSON text, or in log events the structure itself."""

FLAT_INPUT = ("llm.input_messages", "gen_ai.prompt", "llm.prompts")
FLAT_OUTPUT = ("llm.output_messages", "gen_ai.completion", "llm.completions")
FLAT_TOOLS = ("llm.tools", "llm.request.functions")
"""Prefixes of attributes that write a list as `prefix.0.name`, `prefix.1.name`, ..."""

SPAN_KINDS = ("openinference.span.kind", "langfuse.observation.type", "traceloop.span.kind")
CALL_KINDS = frozenset({"llm", "embedding", "generation"})
"""Where a record says its kind, these are model calls; agents, chains, tools and retrievers around them are not."""
OTHER_OPERATIONS = frozenset({
    "execute_tool", "invoke_agent", "create_agent", "invoke_workflow", "run_guardrail", "retrieval", "plan",
})  # fmt: skip
"""Values of `gen_ai.operation.name` that are no model call."""
PARAMETER_COLUMNS = {
    "request_model": ("model",),
    "end_user_id": ("user",),
    "request_max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens"),
    "request_temperature": ("temperature",),
    "request_top_p": ("top_p",),
    "request_stream": ("stream",),
}
"""Request parameters -> columns, used where no attribute of its own has the value."""
ALLOWED = ("service.name", "openai.api.type", "stillwatch.bypass")
