from email import message_from_bytes
from email.message import Message

from hypothesis import given
from hypothesis import strategies as st

from receiver.net import multipart
from schemas.vendor import Part


def parsed(parts: list[Part]) -> list[Message]:
    kind, body = multipart(parts)
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    payload = message.get_payload()
    assert isinstance(payload, list)
    return [part for part in payload if isinstance(part, Message)]


def test_fields_and_files_are_read_back_as_they_were() -> None:
    image = bytes(range(256))
    field, file = parsed([Part("prompt", "café".encode()), Part("image", image, "a b.png", "image/png")])
    assert field.get_param("name", header="content-disposition") == "prompt"
    assert (field.get_payload(decode=True), field.get_filename()) == ("café".encode(), None)
    assert (file.get_filename(), file.get_content_type()) == ("a b.png", "image/png")
    assert file.get_payload(decode=True) == image


def test_the_body_is_laid_out_as_the_standard_says() -> None:
    kind, body = multipart([Part("a", b"1"), Part("f", b"2", "x.png", "image/png")])
    boundary = kind.removeprefix("multipart/form-data; boundary=").encode()
    assert body == (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="f"; filename="x.png"\r\n'
        b"Content-Type: image/png\r\n\r\n2\r\n--" + boundary + b"--\r\n"
    )


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_no_name_and_no_content_can_add_a_part_or_a_header(name: str, content: bytes) -> None:
    kind, body = multipart([Part(name, content, name)])
    boundary = kind.removeprefix("multipart/form-data; boundary=").encode()
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head.count(b"\r\n") == 1
    assert head.count(b"\n") == 1
    assert rest == content + b"\r\n--" + boundary + b"--\r\n"
