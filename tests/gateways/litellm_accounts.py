"""Accounts of the LiteLLM tests: the key `sk-NAME` belongs to the account NAME. Runs inside the proxy."""

from litellm.proxy._types import UserAPIKeyAuth
from starlette.requests import Request


async def account_of(request: Request, api_key: str) -> UserAPIKeyAuth:
    return UserAPIKeyAuth(api_key=api_key, user_id=api_key.removeprefix("sk-"), user_email="ana@example.test")
