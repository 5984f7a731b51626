"""
The items of a Responses request as the messages of a chat.

What one answer was made of (its text and its calls) are separate items there and one assistant message here, because
chat wants each tool's answer right after the message that called it. Images and files of a tool's answer go into a
user message after the answers: chat allows text alone in them. Reasoning items are dropped.
"""

from collections.abc import Mapping
from typing import Any

from localfleet.errors import BadAsk
from localfleet.wire.checked import as_object, as_objects, as_parts, as_text, content_of

__all__ = ["turns_from"]

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}

_Object = dict[str, Any]


def turns_from(instructions: Any, given: Any) -> list[_Object]:
    """Translate instructions, which come first, and input: a string, or a list of items that is not empty."""
    turns = _Turns()
    if instructions is not None:
        turns.add({"role": "system", "content": as_text(instructions, "instructions")})
    if isinstance(given, str):
        turns.add({"role": "user", "content": given})
        return turns.messages
    if not isinstance(given, list) or not given:
        raise BadAsk("`input` must be a string or a list of items that is not empty.", param="input")
    for item in as_objects(given, "input"):
        turns.take(item)
    turns.show_attachments()
    return turns.messages


class _Turns:
    """The messages so far."""

    def __init__(self) -> None:
        self.messages: list[_Object] = []
        self._attachments: list[_Object] = []

    def take(self, item: Mapping[str, Any]) -> None:
        match item.get("type"):
            case None | "message":
                self._message(item)
            case "function_call":
                self._called(_call(item))
            case "function_call_output":
                self._answered(item)
            case "reasoning":
                pass
            case "item_reference":
                raise BadAsk("Item references are kept by a provider; send the item itself.", param="input")
            case _:
                raise BadAsk("This kind of item is not supported by the model chosen; leave it out.", param="input")

    def add(self, message: _Object) -> None:
        self.show_attachments()
        self.messages.append(message)

    def show_attachments(self) -> None:
        """Add what tools answered besides text, if anything."""
        parts, self._attachments = self._attachments, []
        if parts:
            self.messages.append({"role": "user", "content": parts})

    def _message(self, item: Mapping[str, Any]) -> None:
        role = item.get("role")
        role = _ROLES.get(role) if isinstance(role, str) else None
        if role is None:
            known = "`input.role` must be `user`, `assistant`, `system` or `developer`."
            raise BadAsk(known, param="input.role")
        content = content_of(_parts(item.get("content"), "input.content"))
        open_answer = self._open_answer()
        if role == "assistant" and open_answer is not None and open_answer["content"] is None:
            open_answer["content"] = content
        else:
            self.add({"role": role, "content": content})

    def _called(self, call: _Object) -> None:
        answer = self._open_answer()
        if answer is None:
            answer = {"role": "assistant", "content": None}
            self.add(answer)
        answer.setdefault("tool_calls", []).append(call)

    def _open_answer(self) -> _Object | None:
        """Return the assistant message that more of the same answer may join."""
        last = self.messages[-1] if self.messages and not self._attachments else None
        return last if last is not None and last["role"] == "assistant" else None

    def _answered(self, item: Mapping[str, Any]) -> None:
        parts = _parts(item.get("output"), "input.output")
        texts = [part for part in parts if part["type"] == "text"]
        self._attachments += [part for part in parts if part["type"] != "text"]
        call_id = as_text(item.get("call_id"), "input.call_id")
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content_of(texts)})


def _call(item: Mapping[str, Any]) -> _Object:
    name = as_text(item.get("name"), "input.name")
    arguments = as_text(item.get("arguments"), "input.arguments")
    call_id = as_text(item.get("call_id"), "input.call_id")
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _parts(content: Any, param: str) -> list[_Object]:
    return [_part(part, param) for part in as_parts(content, param, what="parts")]


def _part(part: Mapping[str, Any], param: str) -> _Object:
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": as_text(part.get("text"), f"{param}.text")}
        case "refusal":
            return {"type": "text", "text": as_text(part.get("refusal"), f"{param}.refusal")}
        case "input_image":
            return _image(part, param)
        case "input_file":
            return _file(part, param)
        case "input_audio":
            return {"type": "input_audio", "input_audio": as_object(part.get("input_audio"), f"{param}.input_audio")}
        case _:
            raise BadAsk("This kind of content is not supported by the model chosen; leave it out.", param=param)


def _image(part: Mapping[str, Any], param: str) -> _Object:
    if part.get("image_url") is None:
        raise BadAsk("Images must come as a URL or a data URL; uploaded files are not supported.", param=param)
    image = {"url": as_text(part["image_url"], f"{param}.image_url")}
    if part.get("detail") is not None:
        image["detail"] = as_text(part["detail"], f"{param}.detail")
    return {"type": "image_url", "image_url": image}


def _file(part: Mapping[str, Any], param: str) -> _Object:
    if part.get("file_data") is None:
        raise BadAsk("Files must come as `file_data`; uploaded files and URLs are not supported.", param=param)
    file = {
        name: as_text(part[name], f"{param}.{name}") for name in ("filename", "file_data") if part.get(name) is not None
    }
    return {"type": "file", "file": file}
