"""The verbs that order: submit, again, adopt, expect."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.cli import screen
from receiver.cli.trouble import FAILED, WrongUsage
from receiver.cli.verb import REMOTE, Given, number, verb

if TYPE_CHECKING:
    from receiver.client import Clipbell, Job


Vendor = Annotated[str, typer.Argument(metavar="VENDOR", help="The account: vrex, or your own name for it.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="T", help="A tag, to find it by; again for more.")]
Meta = Annotated[list[str] | None, typer.Option("--meta", metavar="K=V", help="Anything of your own; again for more.")]
Model = Annotated[str | None, typer.Option(metavar="M", help="The vendor's model.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the clip is there.")]


@verb(*REMOTE)
def submit(  # noqa: PLR0913 - each argument is an option of the verb
    given: Given,
    vendor: Annotated[
        str | None, typer.Argument(metavar="VENDOR", help="The account: vrex, or your own name for it.")
    ] = None,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="What is to be seen.")] = None,
    *,
    seconds: Annotated[int | None, typer.Option(parser=number(), metavar="N", help="Length of the clip.")] = None,
    aspect_ratio: Annotated[str | None, typer.Option(metavar="W:H", help="Such as 16:9.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(metavar="PATH-or-URL", help="An image to start from; again for more.")
    ] = None,
    model: Model = None,
    params: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="KEY=JSON", help="A field of the vendor's own API; plain text needs no quotes."),
    ] = None,
    tag: Tags = None,
    meta: Meta = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="K", help="The same key again orders nothing new.")
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Let it wait for its turn instead of being refused.")] = False,
    wait: Wait = False,
    batch: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Queue one order for each line of a .jsonl or .csv file.")
    ] = None,
    batch_id: Annotated[str | None, typer.Option(metavar="NAME", help="The batch's name (else of its file).")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --batch: order again what failed or was rejected.")
    ] = False,
) -> None:
    """Order a clip, or a file of them."""
    from receiver.cli.pieces import every, images_of, pairs_of, params_of

    own = (seconds, aspect_ratio, image, model, params, tag, meta, idempotency_key)
    if batch is not None:
        from receiver.cli.bulk import Wish, order_batch

        _check_batch(prompt, *own)
        return order_batch(given, Wish(batch, vendor, batch_id, wait=wait, retry_failed=retry_failed))
    if not vendor or prompt is None or batch_id or retry_failed:
        raise WrongUsage("Write `clipbell submit VENDOR PROMPT`, or `clipbell submit --batch FILE` with its options.")
    images, sent, metadata = every(
        lambda: images_of(image or ()), lambda: params_of(params or ()), lambda: pairs_of(meta or (), "--meta")
    )
    fields: dict[str, Any] = {
        "seconds": seconds,
        "aspect_ratio": aspect_ratio,
        "images": images,
        "model": model,
        "params": sent,
        "tags": tag or [],
        "metadata": metadata,
        "idempotency_key": idempotency_key,
        "queue": queue,
    }
    with given.client() as client:
        return _finish(given, client, client.submit(vendor, prompt, **fields), wait=wait)


def _check_batch(*own: object) -> None:
    if any(each is not None for each in own):
        raise WrongUsage("With --batch the fields of an order stand in its file; beside it goes only the VENDOR.")


@verb(*REMOTE)
def again(given: Given, job_id: Annotated[str, typer.Argument(metavar="ID")], *, wait: Wait = False) -> None:
    """Order the same again."""
    with given.client() as client:
        _finish(given, client, client.again(job_id), wait=wait)


@verb(*REMOTE)
def adopt(  # noqa: PLR0913 - each argument is an option of the verb
    given: Given,
    vendor: Vendor,
    vendor_job_id: Annotated[str, typer.Argument(metavar="VENDOR_JOB_ID", help="The id that the vendor gave.")],
    *,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What was ordered, where you know it.")] = None,
    model: Model = None,
    tag: Tags = None,
    meta: Meta = None,
    wait: Wait = False,
) -> None:
    """Take over a job ordered elsewhere."""
    with given.client() as client:
        _finish(given, client, client.adopt(vendor, vendor_job_id, **_known(prompt, model, tag, meta)), wait=wait)


@verb(*REMOTE)
def expect(
    given: Given,
    vendor: Vendor,
    *,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="What will be ordered.")] = None,
    model: Model = None,
    tag: Tags = None,
    meta: Meta = None,
) -> None:
    """Get a callback URL for an order placed elsewhere."""
    with given.client() as client:
        job = client.expect(vendor, **_known(prompt, model, tag, meta))
    if given.as_json:
        return screen.print_json(job.raw)
    screen.say(job.callback_url or "")
    screen.note(f"Give this address to {vendor} with the order; it is shown only now. Its job here is {job.id}.")
    return None


def _known(prompt: str | None, model: str | None, tag: list[str] | None, meta: list[str] | None) -> Any:
    from receiver.cli.pieces import pairs_of

    given = {"prompt": prompt, "model": model, "tags": tag, "metadata": pairs_of(meta or (), "--meta")}
    return {name: value for name, value in given.items() if value}


def _finish(given: Given, client: "Clipbell", job: "Job", *, wait: bool) -> None:
    from receiver.cli.jobs import job_facts, next_step
    from receiver.cli.waiting import watched

    if wait:
        try:
            job = watched(client, job)
        except KeyboardInterrupt:
            screen.note(f"\nIt goes on without you. See: clipbell job {job.id}")
            raise
    if given.as_json:
        screen.print_json(job.raw)
    else:
        screen.facts(job_facts(job))
    if job.state == "unknown":
        screen.note(next_step(job))
    if wait and job.state != "completed":
        raise typer.Exit(FAILED)
