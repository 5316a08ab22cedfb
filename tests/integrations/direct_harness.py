"""A harness of verifiers that asks the model once, in this process: no program to install, no network."""

import httpx
import verifiers.v1 as vf

__all__ = ["DirectHarness"]


class DirectHarness(vf.Harness[vf.HarnessConfig]):
    """Sends the prompt as it is."""

    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(self, ctx, trace, runtime, endpoint, secret, mcp_urls, data, **_) -> vf.ProgramResult:
        if isinstance(data.prompt, str):
            messages = [{"role": "user", "content": data.prompt}]
        else:
            messages = [each.model_dump(mode="json") for each in data.prompt]
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.post(
                f"{endpoint}/chat/completions",
                headers={"authorization": f"Bearer {secret}"},
                json={"model": ctx.model, "messages": messages},
            )
        return vf.ProgramResult(int(answer.status_code != 200), answer.text, "")
