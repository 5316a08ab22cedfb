"""A client for OpenAI-compatible chat servers: structured answers, retries, a cache on disk, limits, and costs.

    endpoint = Endpoint(EndpointSettings(base_url="http://localhost:8000/v1", model="Qwen/Qwen3-8B").resolved())
    answer = endpoint.ask(Question([{"role": "user", "content": "..."}], schema=MyPydanticModel))

`openai` and `pydantic` are imported when the first endpoint is created.
"""

from hindsight_rl.endpoint.answers import MalformedAnswer
from hindsight_rl.endpoint.client import Answer, Endpoint, Question
from hindsight_rl.endpoint.limits import BudgetSpent
from hindsight_rl.endpoint.settings import EndpointError, EndpointSettings

__all__ = ["Answer", "BudgetSpent", "Endpoint", "EndpointError", "EndpointSettings", "MalformedAnswer", "Question"]
